/**
 * A head learns from features that were computed once; nothing of the network changes.
 *
 *     loss = sum over images of w (cross-entropy of the head's answer and t) / sum of w
 *     t = (1 - d) label + d softmax(teacher / T)
 *
 * w is how likely the picture reaches this exit at all: 1 at the first one. Letters: N images, B batch, F features, K classes.
 *
 * @see Hinton et al., "Distilling the Knowledge in a Neural Network" (2015), for soft targets
 */
import { reduceSum, reshape } from "../graph/broadcast.ts";
import { dropout } from "../graph/dropout.ts";
import { divide, multiply, negate } from "../graph/elementwise.ts";
import { gradients } from "../graph/gradients.ts";
import { logSoftmax } from "../graph/loss.ts";
import { adamW, movingAverages } from "../graph/optimizer.ts";
import { input, scalar, sizeOf, type Variable, variable } from "../graph/tensor.ts";
import { headLogits, headWeights } from "../network/head.ts";
import { initialValues, type NamedArray, type Weights } from "../network/weights.ts";
import { permutation, seededRandom } from "../random.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface HeadTask {
  /** [N, F] */
  readonly features: Float32Array;
  /** [N, K] t */
  readonly targets: Float32Array;
  /** [N] w */
  readonly weights: Float32Array;
  readonly classes: number;
  /** Of the hidden layer; 0: none. */
  readonly hidden: number;
  /** Steps at least, however few the images; default 500. */
  readonly leastSteps?: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Chosen beforehand and not tuned: nothing of it was tried on test pictures. */
const RECIPE = { batch: 256, epochs: 24, leastSteps: 500, rate: 1.5e-3, warmUp: 50, decay: 0.05, dropped: 0.3 };
/** What is kept is the average over about this part of the steps, at the end. */
const AVERAGED = 1 / 20;

/** @returns the head's weights, by their names within it; features need not be standardised */
export async function trainHead(runtime: Runtime, task: HeadTask): Promise<Weights> {
  const { features, weights, classes, hidden, leastSteps = RECIPE.leastSteps, seed, signal } = task;
  const count = weights.length;
  const width = features.length / count;
  const scales = standardisation(features, count);
  const batch = Math.min(RECIPE.batch, count);
  const steps = Math.max(leastSteps, Math.ceil((RECIPE.epochs * count) / batch));
  const definition = headStep(task, batch, width, 1 - 1 / (AVERAGED * steps));
  const program = await Program.compile(runtime, definition, { seed, optimizeFor: "training" });
  const feeds = {
    x: new Float32Array(batch * width),
    targets: new Float32Array(batch * classes),
    weights: new Float32Array(batch),
    rate: new Float32Array(1),
  };
  let order = permutation(seededRandom(seed, 0), count);
  let [at, epoch] = [0, 0];
  try {
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      for (let row = 0; row < batch; row++, at++) {
        if (at === count) [order, at] = [permutation(seededRandom(seed, ++epoch), count), 0];
        fillRow(feeds, row, order[at]!, task, scales);
      }
      feeds.rate[0] = rateAt(step, steps);
      await program.run(feeds, step);
    }
    const names = headWeights(width, { hidden }, classes);
    const learned = new Map<string, NamedArray>();
    for (const [name, shape] of names)
      learned.set(name, { shape, data: (await program.read(`${name}.average`)).slice() });
    return withoutStandardisation(learned, hidden > 0 ? "hidden" : "out", scales);
  } finally {
    await program.close();
  }
}

/** Rises over the first steps, then falls along a half cosine. */
function rateAt(step: number, steps: number): number {
  return RECIPE.rate * Math.min(1, (step + 1) / RECIPE.warmUp) * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
}

function headStep({ hidden, classes, seed }: HeadTask, batch: number, width: number, averaging: number) {
  const variables = new Map<string, Variable>(
    headWeights(width, { hidden }, classes).map(([name, shape]) => [
      name,
      // without a hidden layer the loss is convex: from zero every step goes the right way
      variable(name, shape, hidden > 0 ? initialValues(name, shape, seed) : new Float32Array(sizeOf(shape))),
    ]),
  );
  const x = dropout(input("x", [batch, width]), 0.1, "input coins");
  const logits = headLogits(
    x,
    { hidden },
    (name) => variables.get(name)!,
    (one) => dropout(one, RECIPE.dropped, "coins"),
  );
  const weights = input("weights", [batch]);
  const perImage = negate(reduceSum(multiply(input("targets", [batch, classes]), logSoftmax(logits)), [1])); // [B]
  const loss = divide(reduceSum(multiply(weights, perImage)), reduceSum(weights));
  const parameters = [...variables.values()];
  const slopes = gradients(loss, parameters);
  const updates = adamW(
    parameters.map((parameter, i) => ({
      parameter,
      gradient: slopes[i]!,
      decay: parameter.source.name.endsWith(".weight") ? RECIPE.decay : 0,
    })),
    input("rate", []),
  );
  const learned = updates.filter((one) => variables.has(one.variable.source.name));
  return {
    outputs: { loss: reshape(loss, [1]) },
    updates: [...updates, ...movingAverages(learned, scalar(averaging))],
  };
}

interface Standardisation {
  readonly means: Float64Array;
  readonly deviations: Float64Array;
}

function standardisation(features: Float32Array, count: number): Standardisation {
  const width = features.length / count;
  const [means, squares] = [new Float64Array(width), new Float64Array(width)];
  for (let i = 0, d = 0; i < features.length; i++, d = d + 1 === width ? 0 : d + 1) {
    means[d]! += features[i]!;
    squares[d]! += features[i]! * features[i]!;
  }
  const deviations = squares.map((sum, d) => {
    means[d]! /= count;
    return Math.sqrt(Math.max(sum / count - means[d]! * means[d]!, 1e-10));
  });
  return { means, deviations };
}

function fillRow(
  feeds: { x: Float32Array; targets: Float32Array; weights: Float32Array },
  row: number,
  image: number,
  { features, targets, weights, classes }: HeadTask,
  { means, deviations }: Standardisation,
): void {
  const width = means.length;
  for (let d = 0; d < width; d++)
    feeds.x[row * width + d] = (features[image * width + d]! - means[d]!) / deviations[d]!;
  feeds.targets.set(targets.subarray(image * classes, (image + 1) * classes), row * classes);
  feeds.weights[row] = weights[image]!;
}

/** W (x - mean) / deviation + b, written as W' x + b'. */
function withoutStandardisation(
  weights: Map<string, NamedArray>,
  layer: string,
  { means, deviations }: Standardisation,
): Weights {
  const [matrix, offset] = [weights.get(`${layer}.weight`)!, weights.get(`${layer}.bias`)!];
  const width = means.length;
  for (let o = 0; o < offset.data.length; o++)
    for (let d = 0; d < width; d++) {
      const slope = matrix.data[o * width + d]! / deviations[d]!;
      matrix.data[o * width + d] = slope;
      offset.data[o]! -= slope * means[d]!;
    }
  return weights;
}

/** [N, K] t: labels, and what a teacher says where there is one. @param share d */
export function softTargets(
  labels: ArrayLike<number>,
  classes: number,
  teacher: Float32Array | null,
  { share = 0.5, temperature = 2 }: { share?: number; temperature?: number } = {},
): Float32Array {
  const targets = new Float32Array(labels.length * classes);
  const [hard, soft] = teacher ? [1 - share, share] : [1, 0];
  for (let i = 0; i < labels.length; i++) {
    if (teacher) {
      const from = i * classes;
      let [top, total] = [Number.NEGATIVE_INFINITY, 0];
      for (let k = 0; k < classes; k++) top = Math.max(top, teacher[from + k]! / temperature);
      for (let k = 0; k < classes; k++) total += Math.exp(teacher[from + k]! / temperature - top);
      for (let k = 0; k < classes; k++)
        targets[from + k] = (soft * Math.exp(teacher[from + k]! / temperature - top)) / total;
    }
    targets[i * classes + labels[i]!]! += hard;
  }
  return targets;
}

/** [N, K] what a head says, computed here: it is small. */
export function headAnswers(features: Float32Array, count: number, weights: Weights, hidden: number): Float32Array {
  const x = hidden > 0 ? layer(features, count, weights, "hidden").map((value) => Math.max(0, value)) : features;
  return layer(x, count, weights, "out");
}

function layer(x: Float32Array, count: number, weights: Weights, name: string): Float32Array {
  const [matrix, offset] = [weights.get(`${name}.weight`)!, weights.get(`${name}.bias`)!.data];
  const [out, width] = matrix.shape as [number, number];
  const y = new Float32Array(count * out);
  for (let i = 0; i < count; i++)
    for (let o = 0; o < out; o++) {
      let sum = offset[o]!;
      for (let d = 0; d < width; d++) sum += matrix.data[o * width + d]! * x[i * width + d]!;
      y[i * out + o] = sum;
    }
  return y;
}
