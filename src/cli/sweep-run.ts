/** The work of one run of a sweep: a run folder like any other, and its figures in one file that is written once. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { sourceDigest } from "../dataset/source-digest.ts";
import { UserError } from "../errors.ts";
import { parseJson } from "../files/json.ts";
import { readFileIfThere } from "../files/reader.ts";
import { replaceFile } from "../files/writer.ts";
import { loadModel } from "../model/model-folder.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { PointFigures } from "../report/sweep-data.ts";
import type { Work } from "../story/jobs.ts";
import { evaluate } from "../story/node.ts";
import { VERSION } from "../version.ts";
import { createProgress, type Progress } from "./progress.ts";
import { figuresAlready, learnAndEvaluate } from "./run.ts";
import { type RunInput, runInput } from "./sweep-plan.ts";
import { type Trained, trainInFolder } from "./train.ts";

/** What a run reached at one lambda. Accuracy and savings are 0..1, costs MACs per image. */
export interface RunPoint {
  readonly lambda: number;
  readonly test: PointFigures;
  /** Of the calibration's lambda that is nearest, each image decided on by what has not seen it. */
  readonly validation: PointFigures & { readonly lambda: number };
}

export interface RunResult {
  readonly key: string;
  readonly version: string;
  readonly points: readonly RunPoint[];
  /** Of the process that did it, from its start or last resumption. */
  readonly seconds: number;
}

export const resultFile = (out: string, key: string): string => join(out, "results", `${key}.json`);
export const runFolderOf = (out: string, key: string): string => join(out, "runs", key);

/** null where the run is not done. @throws {UserError} if the file is damaged */
export async function readResult(out: string, key: string): Promise<RunResult | null> {
  const path = resultFile(out, key);
  const bytes = await readFileIfThere(path);
  return bytes && (parseJson(bytes, path) as RunResult);
}

/**
 * Does one run, or goes on with it from its last checkpoint.
 *
 * @param progress where its steps are told; default: where the job's log goes
 * @param threads of each operator; default: all cores
 */
export function runWork({ progress, threads }: { progress?: Progress; threads?: number | undefined } = {}): Work {
  return async (job, { log = () => {}, signal = new AbortController().signal }) => {
    const parsed = runInput.safeParse(job.input);
    if (!parsed.success)
      throw new UserError(
        `${job.name}: a run's job expected, found ${parsed.error.issues[0]!.message}; hand it out again`,
      );
    const input = parsed.data;
    if (existsSync(resultFile(input.out, input.key))) return;
    await checkAlike(input, job.name);
    const started = performance.now();
    const told = progress ?? loggedProgress(log);
    const trained = await trainIn(input, told, threads, signal);
    try {
      const figures =
        (await figuresAlready(trained, told)) ??
        (await learnAndEvaluate(trained, told, { interruptible: (work) => work(signal) }));
      const points = await pointsOf(trained, figures.policy.lambda, input.lambdas);
      const seconds = (performance.now() - started) / 1000;
      const result: RunResult = { key: input.key, version: VERSION, points, seconds };
      await mkdir(join(input.out, "results"), { recursive: true });
      await replaceFile(resultFile(input.out, input.key), `${JSON.stringify(result, null, 2)}\n`);
    } finally {
      await trained.folder.close();
    }
  };
}

async function checkAlike({ version, config, dataSha256 }: RunInput, name: string): Promise<void> {
  if (version !== VERSION)
    throw new UserError(
      `${name}: a job of version ${VERSION} expected, found one of ${version}; use workers of that version`,
    );
  const source = config.data ?? config.dataset!;
  const found = await sourceDigest(source, config.labels ?? undefined);
  if (found !== dataSha256)
    throw new UserError(
      `${name}: the data with SHA-256 ${dataSha256.slice(0, 12)}... expected in ${source}, found ${found.slice(0, 12)}...; give the same data`,
    );
}

async function trainIn(
  { out, key, config }: RunInput,
  progress: Progress,
  threads: number | undefined,
  signal: AbortSignal,
): Promise<Trained> {
  const folder = runFolderOf(out, key);
  await mkdir(join(out, "runs"), { recursive: true });
  const file = `${folder}.json`;
  await replaceFile(file, `${JSON.stringify(config, null, 2)}\n`);
  const isBegun = existsSync(join(folder, "config.json"));
  const flags = {
    config: file,
    out: folder,
    device: "cpu",
    ...(threads ? { threads } : {}),
    ...(isBegun ? { resume: true as const } : {}),
  };
  return trainInFolder(flags, progress, signal, true);
}

async function pointsOf(trained: Trained, recommended: number, lambdas: readonly number[] | null): Promise<RunPoint[]> {
  const { network, policy } = await loadModel(trained.folder.path);
  const { data, runtime } = trained;
  const points: RunPoint[] = [];
  for (const lambda of lambdas ?? [recommended]) {
    const { accuracy, costMacs, savings, effectiveness } = await evaluate({
      network,
      policy,
      data,
      runtime,
      lambda,
      seed: network.provenance.seed,
    });
    const test = {
      accuracy,
      costMacs: costMacs.mean,
      savings,
      effectiveness,
      return: accuracy - lambda * (1 - savings),
    };
    points.push({ lambda, test, validation: validationPoint(policy!, lambda) });
  }
  return points;
}

function validationPoint({ calibration }: LearnedPolicy, lambda: number): RunPoint["validation"] {
  const distance = (one: { lambda: number }): number => Math.abs(Math.log(one.lambda / lambda));
  const {
    accuracy,
    meanMacs,
    savings,
    lambda: nearest,
  } = calibration.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  return {
    lambda: nearest,
    accuracy,
    costMacs: meanMacs,
    savings,
    effectiveness: 100 * accuracy * savings,
    return: accuracy - lambda * (1 - savings),
  };
}

/** Lines in place of a bar. */
function loggedProgress(log: (text: string) => void): Progress {
  return createProgress({ isTTY: false, write: (text: string) => log(text.trimEnd()) });
}
