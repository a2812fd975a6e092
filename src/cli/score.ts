import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { defaultCacheFolder } from "../dataset/download.ts";
import { UserError } from "../errors.ts";
import { onDisk } from "../files/disk-errors.ts";
import { BUNDLED_MODELS, modelFolder } from "../model/bundled.ts";
import { loadModel } from "../model/model-folder.ts";
import { checkLambda } from "../policy/agent.ts";
import { formatCount, formatLambda, formatMacs, formatPercent } from "../report/format.ts";
import { formatTable } from "../report/table.ts";
import { type HandOut, handOutHere, type Job } from "../story/jobs.ts";
import { modelDigest, removeScraps, type ScoreTotals, scoreTotals, withScorer } from "../story/score.ts";
import { planScore, type ScorePlan, shardJobs } from "../story/score-plan.ts";
import { VERSION } from "../version.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import { jsonOption, number, queueOption } from "./options.ts";
import { printable, say } from "./output.ts";
import { createProgress, duration, type Progress } from "./progress.ts";
import { withQueue } from "./service.ts";

/** So many failed shards are named. */
const NAMED = 5;

export function scoreCommand() {
  return new Command("score")
    .description(
      "Classify any number of pictures into files of results, each picture once; it can be stopped and goes on where it was.",
    )
    .requiredOption("--data <path>", "pictures: a folder (any depth), .zip, .tar or .tar.gz")
    .requiredOption("--out <dir>", "results: JSON Lines, one file per shard; a folder that was begun is gone on with")
    .option("--model <dir>", `model or run folder, or one of the package's: ${BUNDLED_MODELS.join(", ")}`, "cifar10")
    .addOption(
      new Option(
        "--lambda <x>",
        "price of the full network in units of one correct answer (default: the recommended one)",
      ).argParser(number("lambda", 0, 100)),
    )
    .addOption(
      new Option("--shard-size <n>", "pictures in a shard").default(2000).argParser(number("shard-size", 1, 1e6, true)),
    )
    .addOption(
      new Option(
        "--shard <i/n>",
        "do the i-th of n shares alone: start n of them, wherever the folders can be seen",
      ).argParser(share),
    )
    .addOption(queueOption().conflicts("shard"))
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const started = performance.now();
      const totals = await abortOnInterrupt(
        progress,
        (signal) => scoreAll(flags, progress, signal),
        "what is done is kept; the same command goes on",
      );
      const seconds = (performance.now() - started) / 1000;
      const out = resolve(flags.out);
      say(
        flags.json
          ? `${JSON.stringify({ ...totals, seconds, out, version: VERSION }, null, 2)}\n`
          : `${totalsText(totals)}\n${duration(seconds)}; ${printable(out)}\n`,
      );
    });
}

interface Share {
  readonly index: number;
  readonly of: number;
}

function share(text: string): Share {
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
  if (index !== undefined && of !== undefined && index >= 1 && index <= of) return { index, of };
  throw new UserError(`--shard: a share as i/n with i from 1 to n expected (1/4 to 4/4), found ${text}; correct it`);
}

interface Flags {
  readonly data: string;
  readonly out: string;
  readonly model: string;
  readonly lambda?: number | undefined;
  readonly shardSize: number;
  readonly shard?: Share | undefined;
  readonly queue?: string | undefined;
}

async function scoreAll(
  flags: Flags,
  progress: Progress,
  signal: AbortSignal,
): Promise<ScoreTotals & { lambda: number }> {
  const places = { data: resolve(flags.data), out: resolve(flags.out), model: resolve(modelFolder(flags.model)) };
  const { network, lambda } = await modelFor(places.model, flags.lambda);
  await onDisk(flags.out, "a folder that can be made", () => mkdir(places.out, { recursive: true }));
  const scratchFolder = join(defaultCacheFolder(), "unpacked");
  const { plan, isBegun } = await planScore({
    ...places,
    modelSha256: await modelDigest(places.model),
    lambda,
    shardSize: flags.shardSize,
    scratchFolder,
    onPicture: (done, total) => progress.counting("list", done, total),
  });
  const jobs = shardJobs(plan, places).filter((_, i) => !flags.shard || i % flags.shard.of === flags.shard.index - 1);
  const missing = jobs.filter(({ name }) => !existsSync(join(places.out, name)));
  progress.note(startNote(plan, jobs, missing, isBegun));
  const scoring = (handOut: HandOut) => doShards(handOut, plan, jobs, missing, progress, signal);
  const failed = await (flags.queue === undefined
    ? withScorer(scratchFolder, (scorer) => scoring(handOutHere(scorer.work)))
    : withQueue("score", flags.queue, (queue) => scoring(queue.handOut)));
  await removeScraps(places.out);
  if (failed.length > 0) throw failedError(failed, jobs.length);
  return {
    ...(await scoreTotals(places.out, plan, { exits: network.stages.length, fullMacs: network.fullMacs })),
    lambda,
  };
}

async function modelFor(folder: string, given: number | undefined) {
  const { network, policy } = await loadModel(folder);
  if (!policy)
    throw new UserError(
      `score: a model with a policy expected in ${folder}, found a network alone; run 'earlyexit learn' first`,
    );
  if (given !== undefined) checkLambda(policy.agent, given);
  return { network, lambda: given ?? policy.lambda };
}

function startNote(
  { pictures, shards }: ScorePlan,
  jobs: readonly Job[],
  missing: readonly Job[],
  isBegun: boolean,
): string {
  const all = `${formatCount(pictures)} pictures in ${formatCount(shards.length)} shards`;
  const own = jobs.length < shards.length ? `; this share: ${formatCount(jobs.length)}` : "";
  const done = isBegun
    ? `; as listed when it was begun, ${formatCount(jobs.length - missing.length)} done already`
    : "";
  return `${all}${own}${done}`;
}

type Failed = readonly { readonly job: Job; readonly reason: string }[];

async function doShards(
  handOut: HandOut,
  { shards }: ScorePlan,
  jobs: readonly Job[],
  missing: readonly Job[],
  progress: Progress,
  signal: AbortSignal,
): Promise<Failed> {
  const picturesOf = (some: readonly Job[]): number =>
    some.reduce((sum, { input }) => sum + shards[(input as { shard: number }).shard - 1]!.pictures, 0);
  const failed: { job: Job; reason: string }[] = [];
  const total = picturesOf(jobs);
  let done = total - picturesOf(missing);
  progress.rating("score", done, total);
  await handOut(missing, {
    onDone(job) {
      done += picturesOf([job]);
      progress.rating("score", done, total);
    },
    onFailed(job, reason) {
      failed.push({ job, reason });
      progress.note(`${job.name} failed: ${reason}`);
    },
    log: progress.note,
    signal,
  });
  return failed;
}

function failedError(failed: Failed, count: number): UserError {
  const named = failed.slice(0, NAMED).map(({ job }) => job.name);
  const more = failed.length > NAMED ? ` and ${failed.length - NAMED} more` : "";
  return new UserError(
    `score: ${count} shards expected, found ${failed.length} that failed: ${named.join(", ")}${more} (${failed[0]!.reason}); ` +
      "the others are done, the same command tries again",
  );
}

function totalsText({
  pictures,
  broken,
  shards,
  exits,
  costMacs,
  savings,
  lambda,
}: ScoreTotals & { lambda: number }): string {
  const rows = exits.map((one) => [String(one.exit), formatCount(one.pictures), formatPercent(one.share)]);
  const left =
    shards.done < shards.of
      ? `; ${formatCount(shards.of - shards.done)} of ${formatCount(shards.of)} shards are still to be done`
      : "";
  const unread = broken > 0 ? `, ${formatCount(broken)} of them cannot be read` : "";
  return [
    `${formatCount(pictures)} pictures${unread}${left}`,
    formatTable([{ title: "exit" }, { title: "pictures" }, { title: "share" }], rows),
    `mean cost ${formatMacs(costMacs.mean)} of ${formatMacs(costMacs.full)} (${formatPercent(savings)} saved), lambda ${formatLambda(lambda)}`,
  ].join("\n");
}
