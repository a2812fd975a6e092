/**
 * The same network in 8 bits, after training: enters a trained network and some of its training pictures, leaves a `StagedNetwork` that
 * ONNX Runtime computes mostly in integers. Its logits differ, so a policy is learned anew for it.
 *
 * @see Nagel et al., "A White Paper on Neural Network Quantization" (2021); here ranges are chosen by the error of the logits of every
 *   exit, and the lower end of what goes into a gelu is clipped
 */
import { evaluationBatches } from "../dataset/batches.ts";
import { type Dataset, subset } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { show } from "../graph/tensor.ts";
import type { BlueprintNetwork } from "../network/blueprint-network.ts";
import type { ImportedNetwork } from "../network/imported-network.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import { permutation, seededRandom } from "../random.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { chooseSteps } from "./choose.ts";
import { type AllSteps, type Convolution, changedAnswers, logitsWith, type Trial, worstFirst } from "./effects.ts";
import { floatLogits } from "./imitation.ts";
import { observe } from "./observe.ts";
import { floatProducts, type Node, planStage, type StagePlan } from "./plan.ts";
import {
  foldedNetwork,
  type QuantisedNetwork,
  quantisedNetwork,
  roundedNetwork,
  withoutBlocks,
} from "./quantised-network.ts";
import type { Steps } from "./steps.ts";
import { largestStep } from "./stored.ts";

export interface QuantiseOptions {
  readonly network: StagedNetwork;
  /** Its training pictures are looked at, and nothing else. */
  readonly data: Dataset;
  readonly runtime: Runtime;
  /** How many pictures, a multiple of 32; default 256. Ranges are chosen on the first 64 of them. */
  readonly images?: number;
  /** How many convolutions stay in float besides those over the picture: those whose rounding moves the logits most. Default 0. */
  readonly keep?: number;
  /**
   * Points of accuracy that no exit may lose: more convolutions stay in float until no exit changes its answer for more of the
   * pictures than that, in percent. Default: any.
   */
  readonly maxLoss?: number;
  /** Default 7: as near to the float network as 8 (docs/experiments/int8.md), and the same answers on processors without VNNI instructions. */
  readonly weightBits?: 7 | 8;
  /** Which pictures; default 1. */
  readonly seed?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const BATCH = 32;
/** Pictures on which choices are compared. */
const COMPARED = 64;

/**
 * @throws {UserError} if the network is in 8 bits already or has no convolution, if the pictures are of another shape or too few, or if a
 *   loss is not kept even with every convolution in float
 */
export async function quantise(options: QuantiseOptions): Promise<QuantisedNetwork> {
  const { network, data, runtime, images = 256, keep = 0, maxLoss, weightBits = 7, seed = 1, onProgress } = options;
  const folded = floatNetwork(network);
  const batches = calibrationBatches(network, data, images, seed);
  const plans = folded.stages.map((_, k) => planStage(folded, k, BATCH));
  checkConvolutions(network, plans);
  const observed = await observe(runtime, plans, batches);
  const compared = batches.slice(0, COMPARED / BATCH);
  const trial: Trial = {
    runtime,
    plans,
    largestWeight: largestStep(weightBits),
    batches: compared,
    expected: await floatLogits(runtime, folded, compared, BATCH),
    classes: network.classes.length,
  };
  const first = plans.flatMap(overFewChannels);
  const search = { ...trial, observed, kept: keptOf(plans, first), ...(onProgress ? { onProgress } : {}) };
  const { steps } = await chooseSteps(search);
  const worst = keep > 0 || maxLoss !== undefined ? await worstFirst(trial, steps, search.kept) : [];
  const all = { ...trial, batches, expected: await floatLogits(runtime, folded, batches, BATCH) };
  const kept = await leastKept(all, steps, [first, worst], keep, maxLoss);
  const points = plans.map((plan, k) => plan.points.map(({ operator }, i) => ({ of: operator, ...steps[k]![i]! })));
  const rounding = { weightBits, kept, points };
  const rounded = "blueprint" in folded ? roundedNetwork(folded, rounding) : folded;
  return quantisedNetwork(rounded, rounding, { ...network.provenance, quantisedFrom: network.sha256 });
}

/**
 * A network in 8 bits with given steps in place of chosen ones: enough for what does not depend on them, such as its time.
 *
 * @param stepsOf of the map that an operator gives
 */
export function withSteps(network: StagedNetwork, stepsOf: (operator: string) => Steps): QuantisedNetwork {
  const folded = floatNetwork(network);
  const plans = folded.stages.map((_, k) => planStage(folded, k, 1));
  const kept = keptOf(plans, plans.flatMap(overFewChannels));
  const points = plans.map((plan) => plan.points.map(({ operator }) => ({ of: operator, ...stepsOf(operator) })));
  const rounding = { weightBits: 7 as const, kept, points };
  return quantisedNetwork("blueprint" in folded ? roundedNetwork(folded, rounding) : folded, rounding);
}

/** Without batch norm where it is one of ours; somebody else's is left as it came. */
function floatNetwork(network: StagedNetwork): BlueprintNetwork | ImportedNetwork {
  if (network.precision === "int8")
    throw new UserError(
      `quantise: a network in floats expected, found ${network.name} in 8 bits already; give the one it was made from`,
    );
  return network.description.kind === "blueprint"
    ? foldedNetwork(network as BlueprintNetwork)
    : withoutBlocks(network as ImportedNetwork);
}

/** Of so few channels are pictures. */
const FEW_CHANNELS = 4;

/**
 * Convolutions over a picture, which stay in float: in integers they take longer (`docs/experiments/int8.md`), since the picture is
 * rounded and turned round first and the kernel gathers its few channels one by one. Not where a sum takes their map: only maps that all
 * come from convolutions in integers are summed without being turned round.
 */
function overFewChannels({ stage, convolutions, users }: StagePlan): Convolution[] {
  const goesToConvolutions = (node: Node): boolean =>
    (users.get(node) ?? []).every(
      (user) =>
        user !== "next" && (user.operator === "Conv" || (PASSES.has(user.operator) && goesToConvolutions(user))),
    );
  return convolutions.flatMap(({ source }, index) =>
    source.inputs[0]!.shape[1]! <= FEW_CHANNELS && goesToConvolutions(source) ? [{ stage, index }] : [],
  );
}

/** What lies between a convolution and the next. */
const PASSES = new Set(["Relu", "Clip", "Gelu", "Sigmoid", "MaxPool"]);

function checkConvolutions({ name }: StagedNetwork, plans: readonly StagePlan[]): void {
  if (plans.some((plan) => plan.convolutions.length > overFewChannels(plan).length)) return;
  const found = [...new Set(plans.flatMap(floatProducts))].join(", ");
  throw new UserError(
    `quantise: convolutions of constant float weights over maps of more than ${FEW_CHANNELS} channels expected in ${name}, found ${found || "no products"}, which stay in float; keep the float network`,
  );
}

/** Normalised training pictures, drawn with the seed, in batches. */
function calibrationBatches(
  network: StagedNetwork,
  { train, imageShape, name }: Dataset,
  images: number,
  seed: number,
): Float32Array[] {
  const { shape, normalisation } = pictureOf(network);
  if (imageShape.join() !== shape.join())
    throw new UserError(
      `quantise: pictures of ${show(shape)} expected, found ${show(imageShape)} in ${name}; give those that the network was trained on`,
    );
  if (!train || train.count < images || images < COMPARED || images % BATCH !== 0)
    throw new UserError(
      `quantise: a multiple of ${BATCH} pictures expected, at least ${COMPARED} and at most the ${train?.count ?? 0} of the training split of ${name}, found ${images}; give another --images`,
    );
  const chosen = subset(train, permutation(seededRandom(seed), train.count).slice(0, images));
  return Array.from(evaluationBatches(chosen, BATCH, normalisation), (batch) => batch.images);
}

function keptOf(plans: readonly StagePlan[], chosen: readonly Convolution[]): number[][] {
  return plans.map((_, k) => chosen.flatMap(({ stage, index }) => (stage === k ? [index] : [])).sort((a, b) => a - b));
}

/** By stage: what stays in float, those of `always` and as few of the worst as it takes. */
async function leastKept(
  trial: Trial,
  steps: AllSteps,
  [always, worst]: readonly [readonly Convolution[], readonly Convolution[]],
  keep: number,
  maxLoss: number | undefined,
): Promise<number[][]> {
  const besides = (count: number): number[][] => keptOf(trial.plans, [...always, ...worst.slice(0, count)]);
  if (maxLoss === undefined) return besides(keep);
  for (let count = Math.min(keep, worst.length); count <= worst.length; count++) {
    const found = await logitsWith(trial, steps, besides(count));
    const changed = changedAnswers(found, trial.expected, trial.plans.length, trial.classes);
    if (Math.max(...changed) <= maxLoss / 100) return besides(count);
  }
  throw new UserError(
    `quantise: at most ${maxLoss} points lost expected, found more even with every convolution in float; allow more with --max-loss`,
  );
}
