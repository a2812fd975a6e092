/** How long it takes: the full network as one session, every stage, and the classifier that stops, side by side. */
import { normalisationTable } from "../dataset/augmentation.ts";
import { normalise } from "../dataset/batches.ts";
import type { Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import { lambdaGridWith } from "../exits/lambda-grid.ts";
import { scale } from "../graph/elementwise.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, show } from "../graph/tensor.ts";
import { AdaptiveClassifier } from "../inference/adaptive-classifier.ts";
import {
  type AnsweringStage,
  type Classification,
  firstFeeds,
  handedOn,
  type StageFeeds,
  type StageResults,
} from "../inference/classification.ts";
import { nestedGraph } from "../inference/nested-exits.ts";
import { percentile } from "../inference/recent-times.ts";
import { fullNetworkGraph, looksBack, stageGraphs } from "../inference/stage-programs.ts";
import type { Model } from "../model/model.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import { decidingAgent } from "../policy/decider.ts";
import { dialledExitAgent, fixedExitAgent, lambdaForExit } from "../policy/fixed-exit-agent.ts";
import type { LambdaPoint } from "../policy/lambda-calibration.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { permutation, seededRandom } from "../random.ts";
import { Program, type Values } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type {
  AdaptiveTime,
  BenchmarkFigures,
  ExitTime,
  FullTime,
  OneFileTime,
  StageTime,
} from "./benchmark-figures.ts";
import { batchPixels, type ChosenImages, tally } from "./chosen-images.ts";
import { type Contestant, type Measured, type Meters, mean, takeTurns } from "./stopwatch.ts";
import { openTwin, type Twin, type TwinTimes } from "./twin.ts";

export interface BenchmarkOptions {
  /** Images of the split, drawn with the seed; default 2000, at most all. */
  readonly images?: number;
  /** Default: the recommended one and four over the agent's range. */
  readonly lambdas?: readonly number[];
  /** Batch sizes, rising, 1 first; default 1, 32 and 256. */
  readonly batches?: readonly number[];
  /** `oneFileGraph` of the model, to be timed at batch 1. */
  readonly oneFile?: GraphDefinition;
  /** A network to be timed as well, with random weights: a time does not depend on them. */
  readonly against?: StagedNetwork;
  /** The same model in 8 bits, to be timed as well. */
  readonly int8?: Model;
  /** Default 1. */
  readonly seed?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const BATCHES = [1, 32, 256] as const;
/** With few images these come again, so that at least so many batches are timed. */
const LEAST_BATCHES = 20;

interface Programs {
  readonly full: Program;
  /** [E] with an agent that sends every image on */
  readonly stages: readonly Program[];
  /** [E] the classifier's session for one image, each with an agent that leaves at one exit */
  readonly exits: readonly Program[];
  /** the same with an agent that leaves where lambda says */
  readonly dialled: Program;
  readonly empty: Program;
  /** See `DecisionLayers`. */
  readonly looksBack: boolean;
  readonly oneFile: Program | null;
  readonly against: Program | null;
}

/**
 * From the bytes of the images to the answers, at each batch size.
 *
 * @throws {UserError} if the model has no policy, a lambda is outside what it was trained for, or the other network takes other images
 */
export async function benchmark(
  runtime: Runtime,
  model: Model,
  samples: Samples,
  meters: Meters,
  options: BenchmarkOptions = {},
): Promise<BenchmarkFigures> {
  const { images = 2000, seed = 1, against } = options;
  checkInput(model, against);
  const classifier = await AdaptiveClassifier.create(runtime, model, async (pixels: Uint8Array) => pixels);
  await classifier.prepareStages(); // made beforehand, so that none is made in a batch that is timed
  const { policy } = classifier;
  const lambdas = options.lambdas ?? lambdaGridWith(policy.lambda, policy.agent.lambdaRange, 4);
  const order = permutation(seededRandom(seed), samples.count).subarray(0, images);
  const programs = await compile(runtime, model, policy, options);
  const twin = options.int8 ? await openTwin(runtime, options.int8, options.lambdas) : null;
  const { batches = BATCHES } = options;
  const rounds = batches.map((batch) => Math.max(LEAST_BATCHES, Math.ceil(order.length / batch)));
  const total = rounds.reduce((a, b) => a + b);
  let done = 0;
  try {
    const results: BatchFigures[] = [];
    for (const [i, batch] of batches.entries())
      results.push(
        await compare(batch, rounds[i]!, classifier, programs, twin, lambdas, { samples, order }, meters, (count) => {
          done += count;
          options.onProgress?.(done, total);
        }),
      );
    const [single] = results as [BatchFigures];
    const overhead = (ms: number): number => ms / single.full.meanMs - 1;
    return {
      threads: runtime.threads,
      lambda: policy.lambda,
      costs: classifier.costs,
      full: results.map(({ full }) => full),
      stages: results.flatMap(({ stages }) => stages),
      exits: single.exits,
      emptyRunMs: single.emptyRunMs,
      adaptive: results.flatMap(({ adaptive }) => adaptive),
      pathOverhead: overhead(single.exits.at(-1)!.meanMs),
      stagePathOverhead: overhead(single.stages.reduce((sum, { meanMs }) => sum + meanMs, 0)),
      oneFile: single.oneFile,
      ...(twin
        ? {
            int8: await twin.figures(
              runtime,
              model,
              { samples, order },
              results.map((one) => one.twin!),
            ),
          }
        : {}),
      against: results.flatMap((one) => (against ? [{ name: against.name, ...one.against! }] : [])),
    };
  } finally {
    await classifier.close();
    await twin?.close();
    const { stages, exits, full, dialled, empty, oneFile, against: other } = programs;
    for (const program of [...stages, ...exits, full, dialled, empty, oneFile, other]) await program?.close();
  }
}

function checkInput({ network }: Model, against: StagedNetwork | undefined): void {
  if (!against) return;
  const [expected, found] = [pictureOf(network).shape, pictureOf(against).shape];
  if (found.join() !== expected.join())
    throw new UserError(
      `against: a network for ${show(expected)} images expected, found ${against.name} for ${show(found)}; choose another one`,
    );
}

async function compile(
  runtime: Runtime,
  { network }: Model,
  policy: LearnedPolicy,
  { oneFile, against }: Pick<BenchmarkOptions, "oneFile" | "against">,
): Promise<Programs> {
  const all = async (graphs: readonly GraphDefinition[]): Promise<Program[]> => {
    const programs: Program[] = [];
    for (const graph of graphs) programs.push(await Program.compile(runtime, graph));
    return programs;
  };
  const leavingAt = (exit: number): LearnedPolicy => ({
    ...policy,
    decider: "dqn",
    agent: fixedExitAgent(decidingAgent(policy), exit),
  });
  const exits = network.stages.map((_, exit) => exit);
  return {
    full: await Program.compile(runtime, fullNetworkGraph(network)),
    stages: await all(exits.map(stageGraphs(network, leavingAt(exits.length - 1)))),
    exits: await all(exits.map((exit) => nestedGraph(network, leavingAt(exit)))),
    dialled: await Program.compile(
      runtime,
      nestedGraph(network, { ...policy, decider: "dqn", agent: dialledExitAgent(decidingAgent(policy)) }),
    ),
    looksBack: looksBack(leavingAt(0)),
    empty: await Program.compile(runtime, { outputs: { y: scale(input("x", [1]), 2) } }),
    oneFile: oneFile ? await Program.compile(runtime, oneFile) : null,
    against: against ? await Program.compile(runtime, fullNetworkGraph(against)) : null,
  };
}

interface BatchFigures {
  readonly full: FullTime;
  readonly stages: readonly StageTime[];
  /** None but at batch 1. */
  readonly exits: readonly ExitTime[];
  readonly adaptive: readonly AdaptiveTime[];
  readonly emptyRunMs: number;
  readonly oneFile: OneFileTime | null;
  readonly against: FullTime | null;
  readonly twin: TwinTimes | null;
}

/** Everything at one batch size. */
async function compare(
  batch: number,
  rounds: number,
  classifier: AdaptiveClassifier<Uint8Array>,
  programs: Programs,
  twin: Twin | null,
  lambdas: readonly number[],
  images: ChosenImages,
  meters: Meters,
  onRound: (rounds: number) => void,
): Promise<BatchFigures> {
  const { network, policy, costs } = classifier;
  const { shape, normalisation } = pictureOf(network);
  const [, height, width] = shape;
  const table = normalisationTable(normalisation);
  const toInput = (pixels: Uint8Array): Float32Array => normalise(pixels, table, height * width);
  const whole = (program: Program): Contestant => ({ run: (pixels) => program.run({ x: toInput(pixels) }) });
  const one = Float32Array.of(1);
  const empty: Contestant = { run: () => programs.empty.run({ x: one }) };
  const stageTimes: number[][] = programs.stages.map(() => []);
  const path: Contestant<number[]> = {
    run: (pixels) =>
      timedPath(
        programs.stages,
        { classes: network.classes.length, looksBack: programs.looksBack },
        () => firstFeeds(toInput(pixels), batch, classifier.lambda),
        batch,
      ),
    onResult(times) {
      for (const [k, ms] of times.entries()) stageTimes[k]!.push(ms / batch);
    },
  };
  const tallies = lambdas.map(() => tally(images, batch, network.stages.length));
  const adaptive = lambdas.map(
    (lambda, i): Contestant<Classification[]> => ({
      run: (pixels) => {
        classifier.lambda = lambda;
        return classifier.classifyPixels(pixels);
      },
      onResult: tallies[i]!.add,
    }),
  );
  const mixed = batch === 1 ? mixedExits(programs.dialled, policy, rounds, toInput) : null;
  const alone = mixed ? [...singleContestants(programs, policy.lambda, toInput), mixed.contestant] : [];
  const against = programs.against ? [whole(programs.against)] : [];
  const eightBits = twin?.contestants(batch, images, toInput) ?? null;
  const rest = [...adaptive, ...against, ...alone, ...(eightBits?.contestants ?? [])];
  const contestants = [whole(programs.full), path, empty, ...rest] as Contestant[];
  const measured = await takeTurns({
    contestants,
    batch,
    rounds,
    pixelsOf: batchPixels(images, batch),
    meters,
    onRound,
  });
  const twinTimes = eightBits ? eightBits.times(measured.splice(-eightBits.contestants.length), measured[0]!) : null;
  const [fullTime, , emptyTime, ...others] = measured as [Measured, Measured, Measured, ...Measured[]];
  const againstTime = programs.against ? others[lambdas.length]! : null;
  const singles = others.slice(lambdas.length + against.length);
  const oneFileTime = programs.oneFile ? singles.shift() : undefined;
  const mixedMs = mixed?.meansOf(singles.pop()!.times) ?? [];
  const stages = stageTimes.map((times, k) => ({ exit: k + 1, batch, ...averagesOf(times) }));
  const exits = singles.map(({ times }, k) => ({ exit: k + 1, ...averagesOf(times), mixedMs: mixedMs[k]! }));
  const exitMs = batch === 1 ? mixedMs : runningSums(stages.map(({ meanMs }) => meanMs));
  return {
    full: { batch, ...withoutTimes(fullTime) },
    stages,
    exits,
    adaptive: lambdas.map((lambda, i) =>
      adaptiveFigures(lambda, batch, others[i]!, tallies[i]!.result(), costs, exitMs, fullTime),
    ),
    emptyRunMs: emptyTime.p50Ms * batch,
    oneFile: oneFileTime ? { lambda: policy.lambda, meanMs: oneFileTime.meanMs, p50Ms: oneFileTime.p50Ms } : null,
    against: againstTime ? { batch, ...withoutTimes(againstTime) } : null,
    twin: twinTimes,
  };
}

/** The one-file export, if there is one, then a run that leaves at each exit: one image at a time. */
function singleContestants(
  { oneFile, exits }: Programs,
  lambda: number,
  toInput: (pixels: Uint8Array) => Float32Array,
): Contestant[] {
  const dial = Float32Array.of(lambda);
  return [
    ...(oneFile
      ? [{ run: (pixels: Uint8Array) => oneFile.run({ image: Float32Array.from(pixels), lambda: dial }) }]
      : []),
    ...exits.map((program) => ({ run: (pixels: Uint8Array) => program.run(firstFeeds(toInput(pixels), 1, lambda)) })),
  ];
}

/**
 * One image at a time, each leaving at an exit drawn for it: in random order, each exit as often as by the agent at the
 * recommended lambda on validation images, but for rare ones, which come often enough to be timed.
 *
 * @returns the contestant, and what turns its times, one for each round, into the mean time of each exit
 */
export function mixedExits(
  program: { run(feeds: Values): Promise<Values> },
  policy: LearnedPolicy,
  rounds: number,
  toInput: (pixels: Uint8Array) => Float32Array,
) {
  const { agent, calibration, lambda } = policy;
  const distance = (one: LambdaPoint): number => Math.abs(Math.log(one.lambda / lambda));
  const { exitShares } = calibration.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  const least = Math.max(1, Math.floor(rounds / (8 * agent.exits)));
  const countOf = (share: number): number => Math.max(least, Math.floor(share * (rounds - agent.exits * least)));
  const inOrder = exitShares.flatMap((share, exit) => Array<number>(countOf(share)).fill(exit)); // at most `rounds` in all
  const drawn = permutation(seededRandom(1), inOrder.length);
  const exitOf = (round: number): number => inOrder[drawn[round % drawn.length]!]!;
  const contestant: Contestant = {
    run: (pixels, round) => program.run(firstFeeds(toInput(pixels), 1, lambdaForExit(agent, exitOf(round)))),
  };
  const meansOf = (times: readonly number[]): number[] =>
    exitShares.map((_, exit) => mean(times.filter((_, round) => exitOf(round) === exit)));
  return { contestant, meansOf };
}

function averagesOf(times: readonly number[]) {
  return { meanMs: mean(times), p50Ms: percentile(times, 0.5), p95Ms: percentile(times, 0.95) };
}

/** [n] the sums of the first 1, 2, ... n values */
function runningSums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

/** Milliseconds of each stage, one after the other; normalising belongs to the first. */
async function timedPath(
  stages: readonly Program[],
  told: Pick<AnsweringStage, "classes" | "looksBack">,
  toFeeds: () => StageFeeds,
  batch: number,
): Promise<number[]> {
  const all = Array.from({ length: batch }, (_, i) => i);
  const times: number[] = [];
  let begun = performance.now();
  let feeds = toFeeds();
  for (const [exit, stage] of stages.entries()) {
    const results = await stage.run<StageResults>(feeds);
    if (exit < stages.length - 1) feeds = handedOn(feeds, results, { exit, isLast: false, ...told }, batch, all);
    const now = performance.now();
    times.push(now - begun);
    begun = now;
  }
  return times;
}

function adaptiveFigures(
  lambda: number,
  batch: number,
  measured: Measured,
  { accuracy, exitShares }: { accuracy: number; exitShares: number[] },
  costs: ExitCosts,
  exitMs: readonly number[],
  full: Measured,
): AdaptiveTime {
  const mix = (perExit: readonly number[]): number =>
    exitShares.reduce((sum, share, k) => sum + share * perExit[k]!, 0);
  const { times, ...averages } = measured;
  return {
    lambda,
    batch,
    accuracy,
    exitShares,
    ...averages,
    p95Ms: percentile(times, 0.95),
    p99Ms: percentile(times, 0.99),
    imagesPerSecond: 1000 / measured.meanMs,
    macSavings: 1 - mix(costs.exitMacs) / costs.fullMacs,
    timeSavings: 1 - measured.meanMs / full.meanMs,
    predictedTimeSavings: 1 - mix(exitMs) / full.meanMs,
  };
}

function withoutTimes({ times: _, ...averages }: Measured) {
  return averages;
}
