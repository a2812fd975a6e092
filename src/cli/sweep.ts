import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { onDisk } from "../files/disk-errors.ts";
import { replaceFile } from "../files/writer.ts";
import type { SweepReport } from "../report/sweep-data.ts";
import { type HandOutHooks, handOutHere, type Job } from "../story/jobs.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import { jsonOption, queueOption, threadsOption } from "./options.ts";
import { say } from "./output.ts";
import { createProgress, duration, type Progress } from "./progress.ts";
import { withQueue } from "./service.ts";
import { type RunSeconds, runSeconds } from "./sweep-estimate.ts";
import { type PlannedRun, plannedRuns, readSweep, type Sweep } from "./sweep-plan.ts";
import { reportCsv, sweepReport, sweepText } from "./sweep-report.ts";
import { resultFile, runWork } from "./sweep-run.ts";

export function sweepCommand() {
  const command = new Command("sweep")
    .enablePositionalOptions()
    .description(
      "Many runs: a grid or a random sample of settings, each with several seeds. What was done is not done again.",
    )
    .option("--config <file>", "JSON file with config, axes, sample, lambdas, by; see docs/scaling.md")
    .option("--out <dir>", "run folders and results; a folder that was begun is gone on with")
    .option("--dry-run", "say how many runs there are to do and how long they take, measured, and do none")
    .addOption(threadsOption())
    .addOption(queueOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const { sweep, runs, out } = await planned(flags);
      const missing = runs.filter(({ input }) => !existsSync(resultFile(out, input.key)));
      progress.note(
        `${runs.length} runs: ${sweep.settings.length} settings with ${sweep.seeds.length} seeds each; ${runs.length - missing.length} done already`,
      );
      if (flags.dryRun) return dryRun(missing, flags, progress);
      await onDisk(out, "a folder that can be made", () => mkdir(out, { recursive: true }));
      const failed = await abortOnInterrupt(
        progress,
        (signal) => handOut(missing, flags, progress, signal),
        "what is done is kept; the same command goes on",
      );
      await tell(await sweepReport(sweep, runs, out), out, flags);
      if (failed.length > 0) throw failedError(failed, runs.length);
    });
  command
    .command("report")
    .description(
      "What the runs that are done say: per setting mean, standard deviation, n and paired intervals; CSV, JSON and plots.",
    )
    .requiredOption("--config <file>", "the sweep's JSON file")
    .requiredOption("--out <dir>", "the sweep's folder; report.json, report.csv and plots/ are written into it")
    .addOption(jsonOption())
    .action(async (flags) => {
      const { sweep, runs, out } = await planned(flags);
      await tell(await sweepReport(sweep, runs, out), out, flags);
    });
  return command;
}

interface Flags {
  readonly config?: string | undefined;
  readonly out?: string | undefined;
  readonly json?: true | undefined;
  readonly threads?: number | undefined;
  readonly queue?: string | undefined;
}

async function planned({ config, out: given }: Flags): Promise<{ sweep: Sweep; runs: PlannedRun[]; out: string }> {
  if (config === undefined || given === undefined)
    throw new UserError(
      `sweep: --config FILE and --out DIR expected, found no ${config === undefined ? "--config" : "--out"}; give both`,
    );
  const out = resolve(given);
  const sweep = await readSweep(config);
  return { sweep, runs: await plannedRuns(sweep, out), out };
}

/** Settings differ in how long they take, seeds do not. */
async function dryRun(missing: readonly PlannedRun[], { threads, json }: Flags, progress: Progress): Promise<void> {
  const settings = [...new Set(missing.map(({ setting }) => setting))];
  const known = new Map<string, number>();
  const rows = await abortOnInterrupt(progress, async (signal) => {
    const found: ({ setting: string; runs: number } & RunSeconds)[] = [];
    for (const setting of settings) {
      const own = missing.filter((one) => one.setting === setting);
      const each = await runSeconds(own[0]!, known, { threads, progress, signal });
      found.push({ setting: setting.name, runs: own.length, ...each });
    }
    return found;
  });
  const each = ({ trainingSeconds, learningSeconds }: RunSeconds): number => trainingSeconds + learningSeconds;
  const seconds = rows.reduce((sum, one) => sum + one.runs * each(one), 0);
  if (json) return say(`${JSON.stringify({ runs: missing.length, seconds, settings: rows }, null, 2)}\n`);
  const lines = rows.map(
    (one) =>
      `${one.setting}: ${one.runs} x ${duration(each(one))} (training ${duration(one.trainingSeconds)}, learning ${duration(one.learningSeconds)})`,
  );
  say(
    `${lines.join("\n")}\n${missing.length} runs to do: ${duration(seconds)} on this machine, one after the other, ` +
      "as far as some steps tell; figures and report come on top, some seconds each\n",
  );
}

type Failed = readonly { readonly job: Job; readonly reason: string }[];

async function handOut(
  missing: readonly PlannedRun[],
  { threads, queue: address }: Flags,
  progress: Progress,
  signal: AbortSignal,
): Promise<Failed> {
  const failed: { job: Job; reason: string }[] = [];
  const jobs = missing.map(({ job }) => job);
  let done = 0;
  const hooks: HandOutHooks = {
    onDone(job) {
      done++;
      progress.note(`${job.name} done: ${done} of ${jobs.length}`);
    },
    onFailed(job, reason) {
      failed.push({ job, reason });
      progress.note(`${job.name} failed: ${reason}`);
    },
    log: progress.note,
    signal,
  };
  if (address === undefined) await handOutHere(runWork({ progress, threads }))(jobs, hooks);
  else await withQueue("sweep", address, (queue) => queue.handOut(jobs, hooks));
  return failed;
}

async function tell(report: SweepReport, out: string, { json }: Flags): Promise<void> {
  const text = `${JSON.stringify(report, null, 2)}\n`;
  await replaceFile(join(out, "report.json"), text);
  await replaceFile(join(out, "report.csv"), reportCsv(report));
  await writePlots(report, out);
  say(json ? text : `${sweepText(report)}\n`);
}

/** SVG, PDF and CSV of each. */
async function writePlots(sweep: SweepReport, out: string): Promise<void> {
  const { sweepFiles } = await import("../report/figures.ts");
  const files = await sweepFiles(sweep);
  if (files.size === 0) return;
  await mkdir(join(out, "plots"), { recursive: true });
  for (const [name, bytes] of files) await replaceFile(join(out, "plots", name), bytes);
}

function failedError(failed: Failed, count: number): UserError {
  return new UserError(
    `sweep: ${count} runs expected, found ${failed.length} that failed, the first ${failed[0]!.job.name} (${failed[0]!.reason}); ` +
      "the others are done, the same command tries again",
  );
}
