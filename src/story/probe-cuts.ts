/** A quick look at every cut: how right a linear probe is there, and where exits are worth most. */
import { type Samples, subset } from "../dataset/dataset.ts";
import { type ProbedCut, placeExits } from "../exits/placement.ts";
import { sizeOf } from "../graph/tensor.ts";
import { type Cut, lastFeatures, totalMacs } from "../onnx/cuts.ts";
import { DQN_DEFAULTS } from "../policy/dqn.ts";
import { permutation, seededRandom } from "../random.ts";
import { computeFeatures, type FrozenFeatures, spread } from "../training/frozen-features.ts";
import { probe } from "../training/probe.ts";
import type { AttachOptions } from "./attach-options.ts";
import { accuracyOf, gridOf, headMacs, isNearChance, judged, MOST_BYTES, widthOf } from "./head-sizes.ts";

const PROBED = 0x70726f62; // keep these random numbers apart from those of other purposes
const MOST_EXITS = 8;
const PROBE_FEATURES = 1100;
const PROBE_IMAGES = 3000;
/**
 * What an exit takes, in MACs of a core that does 75 in a nanosecond (convolutions of ResNet-56 and MobileNetV2 at batch 1): 20
 * microseconds for deciding; for each number of the map 0.8 nanoseconds, since ONNX Runtime's blocked layout ends there and begins again
 * behind it; and a head's matrix, which is read once for one picture, does 5 MACs in a nanosecond. Small networks, large maps and wide
 * heads therefore get fewer exits.
 */
const DECIDING_MACS = 1.5e6;
const BORDER_MACS_PER_NUMBER = 60;
const MATRIX_SLOWNESS = 15;
/** Fewer pictures than these tell too little: then a third of the training pictures judges. */
const LEAST_JUDGES = 300;
/** Mirrored pictures are learned from where a probe finds them no harder than this. */
const MIRROR_LOSS = 0.03;

export interface Probed {
  readonly chosen: readonly number[];
  readonly accuracies: readonly number[];
  /** What the user should know. */
  readonly notes: readonly string[];
  /** Whether mirrored pictures are as good as others. */
  readonly mirrors: boolean;
}

/**
 * A probe learns from training pictures and is judged on others that heads do not learn from: the network may know its training
 * pictures by heart, and late cuts would look better than they are.
 *
 * @param others what the policy is learned from
 */
export async function probeCuts(
  given: AttachOptions,
  train: Samples,
  others: Samples,
  cuts: readonly Cut[],
): Promise<Probed> {
  const { network, data, runtime, exits, onProgress } = given;
  const { prepared } = network;
  const classes = data.classes.length;
  const last = lastFeatures(prepared) ?? prepared.answer;
  const wanted = [...cuts.map(({ name }) => name), last].map((name) => ({
    name,
    grid: gridOf(network, name, PROBE_FEATURES),
  }));
  const bytes = 4 * wanted.reduce((sum, one) => sum + widthOf(network, one), 0);
  const { learning, judging } = probeParts(train, others, Math.floor(MOST_BYTES / 4 / bytes));
  const total = learning.count + judging.count;
  const featuresOf = (samples: Samples, before: number): Promise<FrozenFeatures> =>
    computeFeatures(runtime, network, samples, wanted, {
      onProgress: (done) => onProgress?.("probe", before + done, total),
    });
  const known = await featuresOf(learning, 0);
  const judges = await featuresOf(judging, learning.count);
  const judge = async (features: Float32Array, i: number) =>
    judged(await probe(runtime, known.features[i]!, learning.labels, classes, features), judging.labels, classes);
  const results: Awaited<ReturnType<typeof judge>>[] = [];
  for (const [i, features] of judges.features.entries()) results.push(await judge(features, i));
  const end = results.at(-1)!;
  const probed = cuts.map(
    (cut, i): ProbedCut => ({
      macs: cut.macsBefore,
      headMacs: exitPrice(headMacs(network, cut.name, classes), sizeOf(cut.shape)),
      ...results[i]!,
    }),
  );
  const place = (exactly?: number): readonly number[] =>
    placeExits(probed, end.correct, totalMacs(prepared), {
      most: MOST_EXITS - 1,
      ...(exactly === undefined ? {} : { exactly }),
      lambdaRange: DQN_DEFAULTS.lambdaRange,
    }).chosen;
  const paying = place(exits === undefined ? undefined : exits - 1);
  // fitted on pictures as they are, judged on mirrored ones: digits, for one, are then not recognised any more
  const mirrored = await computeFeatures(runtime, network, judging, [wanted.at(-1)!], { mirrored: true });
  const inMirror = await judge(mirrored.features[0]!, cuts.length);
  const atEnd = accuracyOf(end.correct);
  const blind =
    `a linear probe on its last features is right for ${(100 * atEnd).toFixed(1)}% of the pictures, near chance: its pictures are ` +
    "prepared otherwise (try another --normalise, --channels or --layout), or it knows nothing of such pictures";
  const tooSmall = "no exit seems to save more than deciding takes; the best one was put in all the same";
  return {
    chosen: paying.length > 0 ? paying : place(1),
    notes: [...(isNearChance(atEnd, judging.labels, classes) ? [blind] : []), ...(paying.length > 0 ? [] : [tooSmall])],
    accuracies: results.slice(0, -1).map(({ correct }) => accuracyOf(correct)),
    mirrors: accuracyOf(inMirror.correct) >= atEnd - MIRROR_LOSS,
  };
}

function exitPrice(headMacs: number, numbers: number): number {
  return MATRIX_SLOWNESS * headMacs + DECIDING_MACS + BORDER_MACS_PER_NUMBER * numbers;
}

/**
 * Pictures that probes learn from, and others that judge them. Folders come one class after the other, so the third that judges is drawn.
 *
 * @param most pictures whose features fit into memory
 */
export function probeParts(train: Samples, others: Samples, most: number): { learning: Samples; judging: Samples } {
  const images = Math.max(100, Math.min(PROBE_IMAGES, most));
  const fit = Math.floor((2 / 3) * images);
  if (others.count >= LEAST_JUDGES) return { learning: spread(train, fit), judging: spread(others, images - fit) };
  const some = spread(train, images);
  const order = permutation(seededRandom(PROBED), some.count);
  const border = Math.floor((2 / 3) * some.count);
  return {
    learning: subset(some, order.subarray(0, border).sort()),
    judging: subset(some, order.subarray(border).sort()),
  };
}
