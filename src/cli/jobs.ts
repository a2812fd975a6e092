import { Command } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { clip, formatTable } from "../report/table.ts";
import type { JobState } from "../story/jobs.ts";
import { jsonOption, queueOption } from "./options.ts";
import { say } from "./output.ts";
import { withQueue } from "./service.ts";

/** So many of each state are listed. */
const LISTED = 50;

export function jobsCommand() {
  const command = new Command("jobs").description("What waits in a queue, is worked on, is done or has failed.");
  command
    .command("list", { isDefault: true })
    .description(`The jobs of a queue, at most ${LISTED} of each state.`)
    .addOption(queueOption())
    .addOption(jsonOption())
    .action(async ({ queue: address, json }) => {
      const jobs = await withQueue("jobs", given(address), (queue) => queue.list(LISTED));
      say(json ? `${JSON.stringify({ jobs }, null, 2)}\n` : `${jobsText(jobs)}\n`);
    });
  command
    .command("logs")
    .description("What a job has told so far.")
    .argument("<id>", "of the job, or its first letters")
    .addOption(queueOption())
    .action(async (id, { queue: address }) => {
      for (const line of await withQueue("jobs", given(address), (queue) => queue.logs(id))) say(`${line}\n`);
    });
  command
    .command("cancel")
    .description("Take a job out of the queue, or stop it where it is being done.")
    .argument("<id>", "of the job, or its first letters")
    .addOption(queueOption())
    .action(async (id, { queue: address }) => {
      await withQueue("jobs", given(address), (queue) => queue.cancel(id));
      process.stderr.write("cancelled\n");
    });
  command
    .command("retry")
    .description("Let a failed job wait again.")
    .argument("<id>", "of the job, or its first letters")
    .addOption(queueOption())
    .action(async (id, { queue: address }) => {
      await withQueue("jobs", given(address), (queue) => queue.retry(id));
      process.stderr.write("waits again: the next worker that is free takes it\n");
    });
  return command;
}

function given(address: string | undefined): string {
  if (address !== undefined) return address;
  throw new UserError("jobs: --queue redis://.. or postgres://.. expected, found none; give the one that jobs wait in");
}

function jobsText(jobs: readonly JobState[]): string {
  if (jobs.length === 0) return "no jobs";
  const rows = jobs.map(({ id, state, kind, name, attempts, reason = "" }) => [
    id.slice(0, 12),
    state,
    kind,
    clip(name, 40),
    String(attempts),
    clip(reason, 60),
  ]);
  const columns = ["id", "state", "kind", "name", "attempts", "reason"];
  return formatTable(
    columns.map((title) => (title === "attempts" ? { title } : { title, align: "left" as const })),
    rows,
  );
}
