import { f16round } from "@petamoriken/float16";
import type { Normalisation } from "../dataset/augmentation.ts";
import {
  type BatchOptions,
  type BatchSource,
  balancedWeights,
  inlineBatches,
  stepsPerEpoch,
} from "../dataset/batches.ts";
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { input, type Variable } from "../graph/tensor.ts";
import type { Blueprint } from "../network/blueprint.ts";
import { blueprintTrainable } from "../network/blueprint-network.ts";
import { checkBlueprint } from "../network/cost.ts";
import type { StagedNetwork, Trainable } from "../network/staged-network.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { VERSION } from "../version.ts";
import { type Checkpoint, checkFinite, restore } from "./checkpoint.ts";
import { hasStalled } from "./early-end.ts";
import type { Recipe } from "./recipe.ts";
import { averageDecayAt, exitWeightsAt, learningRateAt } from "./schedule.ts";
import { startOf, type Trained } from "./start.ts";
import { buildTrainingStep } from "./step.ts";

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

export interface TrainOptions {
  readonly runtime: Runtime;
  readonly blueprint: Blueprint;
  readonly dataset: Dataset;
  readonly recipe: Recipe;
  readonly seed: number;
  /** A network to start from, see `startOf`. */
  readonly from?: Trained | undefined;
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

/**
 * Trains all exits together on the train split. The same options and seed give the same bytes, also after an interruption.
 *
 * @throws {UserError} if there is no train split, or the loss is no number (with the step)
 */
export async function trainNetwork(options: TrainOptions): Promise<StagedNetwork> {
  const {
    runtime,
    blueprint,
    dataset,
    recipe,
    seed,
    resumeFrom,
    signal,
    checkpointEvery = 200,
    checkpointSeconds = 60,
  } = options;
  const train = checkedTrainSplit(blueprint, dataset, recipe);
  const { weights: start, normalisation } = await startOf(blueprint, dataset, train, options.from);
  const perEpoch = stepsPerEpoch(train.count, recipe.batchSize);
  const steps = Math.round(recipe.epochs * perEpoch);
  const lookEvery = Math.max(1, Math.round(recipe.validateEvery * perEpoch));
  const firstStep = resumeFrom?.step ?? 0;
  const trainable = blueprintTrainable(blueprint, dataset.classes, normalisation);
  const definition = trainingStep(blueprint, () => buildTrainingStep(trainable, recipe, { seed, start }));
  const program = await Program.compile(runtime, definition, { seed, optimizeFor: "training" });
  const data = splitHashes(dataset);
  if (resumeFrom) await orClose(program, () => restore(program, resumeFrom, steps, data));
  const source = batchSource(options, train, normalisation, firstStep);
  const network = async (): Promise<StagedNetwork> =>
    trainable.withWeights(await keptWeights(program, trainable, recipe), {
      dataset: { name: dataset.name, sha256: data },
      seed,
      version: VERSION,
      recipe: options.from ? { ...recipe, from: { name: options.from.name, sha256: options.from.sha256 } } : recipe,
    });
  const clock = stepClock(recipe.batchSize);
  let savedAt = performance.now();
  const looks = [...(resumeFrom?.looks ?? [])];
  try {
    const isOver = firstStep % lookEvery === 0 && hasStalled(recipe, looks, firstStep / steps); // it ended early, by its last look
    for (let step = firstStep; step < steps && !isOver; step++) {
      const batch = await source.next();
      const feeds = stepInputs(recipe, blueprint.stages.length, step, perEpoch, steps);
      const { loss, accuracy, gradientNorm } = await program.run(
        { images: batch.images, targets: batch.targets, ...feeds },
        step,
      );
      source.recycle(batch);
      const learningRate = feeds.learningRate[0]!;
      const done = step + 1;
      checkLoss(loss![0]!, done, learningRate);
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
    await program.close();
  }
}

/** Training has its own layout: what fits together in inference need not do so here. @throws {UserError} naming the layer */
function trainingStep<T>({ name }: Blueprint, build: () => T): T {
  try {
    return build();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UserError(
      `train: layers of blueprint ${name} that can be trained expected, found ${cause.message}; correct that layer`,
      { cause },
    );
  }
}

/** What the last step made of the weights is not seen in its loss. @throws {UserError} if a weight is no number */
function checkWeights(weights: Weights): void {
  for (const [name, { data }] of weights)
    checkFinite(name, data, "train (after the last step)", "lower the learning rate, or set gradientNorm");
}

async function orClose(program: Program, work: () => void): Promise<void> {
  try {
    work();
  } catch (error) {
    await program.close();
    throw error;
  }
}

function batchSource(
  { batches = inlineBatches, recipe, dataset, seed }: TrainOptions,
  samples: Samples,
  normalisation: Normalisation,
  firstStep: number,
): BatchSource {
  const { batchSize, augmentation, balance } = recipe;
  const { imageShape, classes } = dataset;
  return batches({
    samples,
    imageShape,
    classCount: classes.length,
    batchSize,
    normalisation,
    augmentation,
    seed,
    ...(balance ? { classWeights: balancedWeights(samples.labels, classes.length) } : {}),
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

function checkedTrainSplit(
  blueprint: Blueprint,
  { name, imageShape, classes, train }: Dataset,
  recipe: Recipe,
): Samples {
  if (!train)
    throw new UserError(
      `train: a dataset with a training part expected, found only a test part in ${name}; give the whole dataset`,
    );
  if (blueprint.input.join() !== imageShape.join())
    throw new UserError(
      `train: images of ${blueprint.input.join("x")} expected by ${blueprint.name}, found ${imageShape.join("x")} in ${name}; ` +
        "use a blueprint with that input",
    );
  if (train.count < recipe.batchSize)
    throw new UserError(
      `train: at least one batch of ${recipe.batchSize} images expected, found ${train.count} in ${name}; set a smaller batchSize`,
    );
  checkBlueprint(blueprint, classes.length);
  const exits = blueprint.stages.length;
  const { exitWeights } = recipe;
  for (const [when, weights] of typeof exitWeights === "object" ? Object.entries(exitWeights) : [])
    if (weights.length !== exits)
      throw new UserError(
        `recipe: exitWeights.${when} of ${exits} numbers expected, found ${weights.length}; give one per exit`,
      );
  return train;
}

/** SHA-256 of each split. */
export function splitHashes({ train, validation, test }: Dataset): Record<string, string> {
  const splits = { train, validation, test };
  return Object.fromEntries(Object.entries(splits).flatMap(([name, split]) => (split ? [[name, split.sha256]] : [])));
}

function checkLoss(loss: number, step: number, learningRate: number): void {
  if (Number.isFinite(loss)) return;
  throw new UserError(
    `train: a finite loss expected, found ${loss} at step ${step}; lower the learning rate (it was ${learningRate.toPrecision(3)}) or set gradientNorm`,
  );
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
