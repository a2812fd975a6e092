/** A quick look at every cut: how right a linear probe is there, and where exits are worth most. */
import { type Samples, subset } from "../dataset/dataset.ts";
import { type ProbedCut, placeExits } from "../exits/placement.ts";
import { type Cut, lastFeatures, totalMacs } from "../onnx/cuts.ts";
import { DQN_DEFAULTS } from "../policy/dqn.ts";
import { computeFeatures, type FrozenFeatures, spread, type Wanted } from "../training/frozen-features.ts";
import { probe } from "../training/probe.ts";
import type { AttachOptions } from "./attach-options.ts";
import { accuracyOf, gridOf, headMacs, judged, MOST_BYTES, widthOf } from "./head-sizes.ts";

const MOST_EXITS = 8;
const PROBE_FEATURES = 800;
const PROBE_IMAGES = 3000;
/** Mirrored pictures are learned from where a probe finds them no harder than this. */
const MIRROR_LOSS = 0.03;

export interface Probed {
  readonly chosen: readonly number[];
  readonly accuracies: readonly number[];
  /** Whether mirrored pictures are as good as others. */
  readonly mirrors: boolean;
}

export async function probeCuts(given: AttachOptions, train: Samples, cuts: readonly Cut[]): Promise<Probed> {
  const { network, data, runtime, exits, onProgress } = given;
  const { prepared } = network;
  const classes = data.classes.length;
  const last = lastFeatures(prepared) ?? prepared.answer;
  const wanted = [...cuts.map(({ name }) => name), last].map((name) => ({
    name,
    grid: gridOf(network, name, PROBE_FEATURES),
  }));
  const bytes = 4 * wanted.reduce((sum, one) => sum + widthOf(network, one), 0);
  const some = spread(train, Math.max(100, Math.min(PROBE_IMAGES, Math.floor(MOST_BYTES / 4 / bytes))));
  const sample = await computeFeatures(runtime, network, some, wanted, {
    onProgress: (done, total) => onProgress?.("probe", done, total),
  });
  const fit = Math.floor((2 / 3) * some.count);
  const labels = some.labels.subarray(0, fit);
  const truth = some.labels.subarray(fit);
  const judge = async (i: number) => {
    const own = sample.features[i]!;
    const width = own.length / some.count;
    const scores = await probe(runtime, own.subarray(0, fit * width), labels, classes, own.subarray(fit * width));
    return judged(scores, truth, classes);
  };
  const results: Awaited<ReturnType<typeof judge>>[] = [];
  for (let i = 0; i < wanted.length; i++) results.push(await judge(i));
  const end = results.at(-1)!;
  const full = totalMacs(prepared);
  const probed = cuts.map(
    (cut, i): ProbedCut => ({ macs: cut.macsBefore, headMacs: headMacs(network, cut.name, classes), ...results[i]! }),
  );
  const { chosen } = placeExits(probed, end.correct, full, {
    most: MOST_EXITS - 1,
    ...(exits === undefined ? {} : { exactly: exits - 1 }),
    lambdaRange: DQN_DEFAULTS.lambdaRange,
  });
  const mirrors = await mirrorsWell(given, some, fit, wanted.at(-1)!, sample, accuracyOf(end.correct));
  return { chosen, accuracies: results.slice(0, -1).map(({ correct }) => accuracyOf(correct)), mirrors };
}

/** Fitted on pictures as they are, judged on mirrored ones: digits, for one, are then not recognised any more. */
async function mirrorsWell(
  { network, data, runtime }: AttachOptions,
  some: Samples,
  fit: number,
  last: Wanted,
  sample: FrozenFeatures,
  plain: number,
): Promise<boolean> {
  const rest = subset(
    some,
    Uint32Array.from({ length: some.count - fit }, (_, i) => fit + i),
  );
  const mirrored = await computeFeatures(runtime, network, rest, [last], { mirrored: true });
  const own = sample.features.at(-1)!;
  const width = own.length / some.count;
  const classes = data.classes.length;
  const scores = await probe(
    runtime,
    own.subarray(0, fit * width),
    some.labels.subarray(0, fit),
    classes,
    mirrored.features[0]!,
  );
  return accuracyOf(judged(scores, rest.labels, classes).correct) >= plain - MIRROR_LOSS;
}
