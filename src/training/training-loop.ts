/** The loop that every training runs in: batches, steps, looks at validation, checkpoints. Letters: B batch, K classes, E exits. */
import { f16round } from "@petamoriken/float16";
import type { Normalisation } from "../dataset/augmentation.ts";
import {
  type BatchOptions,
  type BatchSource,
  balancedWeights,
  inlineBatches,
  stepsPerEpoch,
} from "../dataset/batches.ts";
import type { Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, type Variable } from "../graph/tensor.ts";
import type { Provenance, StagedNetwork, Trainable } from "../network/staged-network.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Checkpoint, checkFinite, restore } from "./checkpoint.ts";
import { hasStalled } from "./early-end.ts";
import type { Recipe } from "./recipe.ts";
import { averageDecayAt, exitWeightsAt, learningRateAt } from "./schedule.ts";
import { openTeacher, type Teacher, type TeacherNetwork } from "./teacher.ts";

/** One line of `metrics.jsonl`. */
export interface TrainingProgress {
  readonly kind: "train";
  readonly step: number;
  readonly steps: number;
  /** Epochs done, with fraction. */
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  /** [E] on the training batch, 0..1 */
  readonly accuracy: readonly number[];
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
  /** [E] on the validation split, in the steps at which it was looked at */
  readonly validationAccuracy?: readonly number[];
  /** In the last step of a training that the recipe's `earlyEnd` ends before its time. */
  readonly isEarlyEnd?: true;
}

/** What a training tells and asks on the way. */
export interface TrainingHooks {
  /** Where batches come from; default: computed in this thread. `workerBatches` computes them beside the steps. */
  readonly batches?: (options: BatchOptions) => BatchSource;
  /** [E] accuracy of the network as it stands, on the validation split; called every `recipe.validateEvery` epochs. */
  readonly validate?: (network: StagedNetwork) => Promise<readonly number[]>;
  readonly onProgress?: (progress: TrainingProgress) => void;
  /** Called every `checkpointEvery` steps, `checkpointSeconds` after the last time, at the end, and when the signal aborts. */
  readonly saveCheckpoint?: (checkpoint: Checkpoint) => Promise<void>;
  /** In steps; default 200. */
  readonly checkpointEvery?: number;
  /** Default 60: no more than a minute is ever lost, however slow the steps are. */
  readonly checkpointSeconds?: number;
  readonly resumeFrom?: Checkpoint | null;
  /** Stops after the current step; the checkpoint is saved, then an AbortError is thrown. */
  readonly signal?: AbortSignal;
}

export interface TrainingTask<Network extends StagedNetwork = StagedNetwork> extends TrainingHooks {
  readonly runtime: Runtime;
  readonly trainable: Trainable<Network>;
  /** The step, see `buildTrainingStep`. */
  readonly definition: GraphDefinition;
  readonly samples: Samples;
  readonly normalisation: Normalisation;
  readonly recipe: Recipe;
  readonly seed: number;
  /** Answers beside each batch; expected exactly where the recipe says how they are learned from. */
  readonly teacher?: TeacherNetwork | undefined;
  /** Of the network that comes out. */
  readonly provenance: Provenance;
}

/**
 * Trains all exits together. The same task gives the same bytes, also after an interruption.
 *
 * @throws {UserError} if the loss or a weight is no number
 */
export async function trainStaged<Network extends StagedNetwork>(options: TrainingTask<Network>): Promise<Network> {
  const {
    runtime,
    trainable,
    definition,
    samples,
    recipe,
    seed,
    provenance,
    resumeFrom,
    signal,
    checkpointEvery = 200,
    checkpointSeconds = 60,
  } = options;
  const perEpoch = stepsPerEpoch(samples.count, recipe.batchSize);
  const steps = Math.round(recipe.epochs * perEpoch);
  const lookEvery = Math.max(1, Math.round(recipe.validateEvery * perEpoch));
  const firstStep = resumeFrom?.step ?? 0;
  const teacher = await openedTeacher(options);
  const program = await Program.compile(runtime, definition, { seed, optimizeFor: "training" });
  const data = provenance.dataset.sha256;
  if (resumeFrom) await orClose([program, teacher], () => restore(program, resumeFrom, steps, data));
  const source = batchSource(options, firstStep);
  const network = async (): Promise<Network> =>
    trainable.withWeights(await keptWeights(program, trainable, recipe), provenance);
  const clock = stepClock(recipe.batchSize);
  let savedAt = performance.now();
  let squares: Float32Array | null = null; // of the gradients of the step before
  const looks = [...(resumeFrom?.looks ?? [])];
  try {
    const isOver = firstStep % lookEvery === 0 && hasStalled(recipe, looks, firstStep / steps); // it ended early, by its last look
    for (let step = firstStep; step < steps && !isOver; step++) {
      const batch = await source.next();
      const feeds = stepInputs(recipe, trainable.exits, step, perEpoch, steps);
      const { loss, accuracy, gradientNorm, gradientSquares } = await program.run(
        {
          images: batch.images,
          targets: batch.targets,
          ...feeds,
          ...(teacher ? { teacher: await teacher.answers(batch.images) } : {}),
        },
        step,
      );
      source.recycle(batch);
      const learningRate = feeds.learningRate[0]!;
      const done = step + 1;
      if (!Number.isFinite(loss![0]!))
        throw noLoss(loss![0]!, done, learningRate, squares && largestGradient(trainable, squares));
      squares = gradientSquares!;
      const speed = clock(steps - done);
      const isLookedAt = done === steps || done % lookEvery === 0;
      const validationAccuracy = isLookedAt ? await options.validate?.(await network()) : undefined;
      if (validationAccuracy)
        looks.push(Math.fround(validationAccuracy.reduce((a, b) => a + b) / validationAccuracy.length));
      const isEarlyEnd = done < steps && validationAccuracy !== undefined && hasStalled(recipe, looks, done / steps);
      const isLast = done === steps || isEarlyEnd;
      options.onProgress?.({
        kind: "train",
        step: done,
        steps,
        epoch: done / perEpoch,
        epochs: recipe.epochs,
        loss: loss![0]!,
        accuracy: Array.from(accuracy!),
        learningRate,
        gradientNorm: gradientNorm![0]!,
        ...speed,
        ...(validationAccuracy ? { validationAccuracy } : {}),
        ...(isEarlyEnd ? { isEarlyEnd } : {}),
      });
      const isStopped = signal?.aborted ?? false;
      const isDue = done % checkpointEvery === 0 || performance.now() - savedAt >= 1000 * checkpointSeconds;
      if (options.saveCheckpoint && (isStopped || isLast || isDue)) {
        await options.saveCheckpoint({ step: done, data, variables: await program.variables(), looks: [...looks] });
        savedAt = performance.now();
      }
      if (isLast) break;
      if (isStopped) throw new DOMException(`stopped after step ${done} of ${steps}`, "AbortError");
    }
    checkWeights(await keptWeights(program, trainable, recipe));
    return await network();
  } finally {
    await source.close();
    await teacher?.close();
    await program.close();
  }
}

/** @throws {UserError} if there is a teacher and the recipe says nothing of one, or the other way round; or as `openTeacher` */
async function openedTeacher({
  teacher,
  recipe,
  runtime,
  trainable,
  normalisation,
}: TrainingTask): Promise<Teacher | null> {
  if (teacher && recipe.teacher) return openTeacher(runtime, teacher, { ...trainable, normalisation });
  if (!teacher && !recipe.teacher) return null;
  const found = teacher ? "a recipe that says nothing of one" : "none";
  throw new UserError(
    `train: a teacher and how to learn from it expected, found ${found}; give both --teacher and a recipe with teacher, or neither`,
  );
}

/** What the last step made of the weights is not seen in its loss. @throws {UserError} if a weight is no number */
function checkWeights(weights: Weights): void {
  for (const [name, { data }] of weights)
    checkFinite(name, data, "train (after the last step)", "lower the learning rate, or set gradientNorm");
}

async function orClose(open: readonly (Program | Teacher | null)[], work: () => void): Promise<void> {
  try {
    work();
  } catch (error) {
    for (const one of open) await one?.close();
    throw error;
  }
}

function batchSource(
  { batches = inlineBatches, recipe, samples, trainable, normalisation, seed }: TrainingTask,
  firstStep: number,
): BatchSource {
  const { batchSize, augmentation, balance } = recipe;
  const classCount = trainable.classes.length;
  return batches({
    samples,
    imageShape: trainable.imageShape,
    classCount,
    batchSize,
    normalisation,
    augmentation,
    seed,
    ...(balance ? { classWeights: balancedWeights(samples.labels, classCount) } : {}),
    firstStep,
  });
}

/** The inputs of a step besides its batch. */
function stepInputs(recipe: Recipe, exits: number, step: number, perEpoch: number, steps: number) {
  return {
    learningRate: Float32Array.of(learningRateAt(recipe, step / perEpoch)),
    exitWeights: exitWeightsAt(recipe, exits, step / steps),
    averageDecay: Float32Array.of(averageDecayAt(recipe.averageDecay ?? 0, step)),
  };
}

/** @param before the parameter that moved most in the step before, where there was one */
function noLoss(loss: number, step: number, learningRate: number, before: string | null): UserError {
  const after = before ? `, after ${before}` : "";
  return new UserError(
    `train: a finite loss expected, found ${loss} at step ${step}${after}; lower the learning rate (it was ${learningRate.toPrecision(3)}) or set gradientNorm`,
  );
}

/** The first whose gradient is no number, else the one with the largest, in words. @param squares [P] */
function largestGradient(trainable: Trainable, squares: Float32Array): string {
  const { parameters } = trainable.graph(input("images", [1, ...trainable.imageShape]));
  const broken = squares.findIndex((square) => !Number.isFinite(square));
  const at = broken >= 0 ? broken : squares.indexOf(Math.max(...squares));
  return `the gradient of ${parameters[at]!.source.name} was largest (norm ${Math.sqrt(squares[at]!).toPrecision(3)})`;
}

/**
 * The weights that inference uses: the averages where the recipe keeps them, else the last ones; convolutions and linear layers
 * in the recipe's precision.
 */
async function keptWeights(program: Program, trainable: Trainable, recipe: Recipe): Promise<Weights> {
  const { parameters, fixed, statistics } = trainable.graph(input("images", [1, ...trainable.imageShape]));
  const suffix = recipe.averageDecay === null ? "" : ".average";
  const kept = async ({ source: { name }, shape }: Variable, suffix: string): Promise<[string, NamedArray]> => {
    const values = await program.read(name + suffix);
    const isRounded = recipe.weightPrecision === "float16" && name.endsWith(".weight");
    return [name, { shape, data: isRounded ? values.map(f16round) : values.slice() }];
  };
  const changed = [...parameters, ...statistics.map(({ variable }) => variable)];
  return new Map(await Promise.all([...fixed.map((one) => kept(one, "")), ...changed.map((one) => kept(one, suffix))]));
}

/** Speed over the last 20 steps, and the time left at that speed. */
function stepClock(batchSize: number): (stepsLeft: number) => { imagesPerSecond: number; secondsLeft: number } {
  const times = [performance.now()];
  return (stepsLeft) => {
    times.push(performance.now());
    if (times.length > 21) times.shift();
    const secondsPerStep = (times.at(-1)! - times[0]!) / 1000 / (times.length - 1);
    return { imagesPerSecond: batchSize / secondsPerStep, secondsLeft: stepsLeft * secondsPerStep };
  };
}
