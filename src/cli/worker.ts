import { availableParallelism } from "node:os";
import { Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { number, queueOption, threadsOption } from "./options.ts";
import { createProgress } from "./progress.ts";
import { withQueue } from "./service.ts";
import { isWorkerProcess, serveOwner, startWorkerProcesses } from "./worker-process.ts";

export function workerCommand() {
  return new Command("worker")
    .description(
      "Take jobs of 'score' and 'sweep' from a queue until it is stopped; needs the package @earlyexit/server.",
    )
    .addOption(queueOption())
    .addOption(
      new Option("--jobs <n>", "at a time, each in a process of its own (default: one per core)").argParser(
        number("jobs", 1, 1024, true),
      ),
    )
    .addOption(threadsOption().default(undefined, "the cores shared out among the jobs"))
    .action(async ({ queue: address, jobs = availableParallelism(), threads }) => {
      if (isWorkerProcess()) return serveOwner(threads);
      if (address === undefined)
        throw new UserError(
          "worker: --queue redis://.. or postgres://.. expected, found none; give the one that jobs wait in",
        );
      const { note } = createProgress();
      const processes = startWorkerProcesses(jobs, threads ?? Math.max(1, Math.floor(availableParallelism() / jobs)));
      const stopped = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
        process.once(signal, () => {
          note("stopping: what is being done goes back into the queue");
          stopped.abort();
        });
      try {
        await withQueue("worker", address, async (queue) => {
          note(`taking jobs, ${jobs} at a time`);
          const { work } = processes;
          await queue.work({ score: work, run: work }, { parallel: jobs, log: note, signal: stopped.signal });
        });
      } finally {
        processes.close();
      }
    });
}
