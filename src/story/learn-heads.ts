/** Heads at the chosen cuts, from features that are computed once, and which of two last exits is better. */
import type { Samples } from "../dataset/dataset.ts";
import { largest } from "../exits/answers.ts";
import type { HeadShape } from "../network/head.ts";
import type { OpenedNetwork } from "../network/imported-network.ts";
import { type Cut, lastFeatures, totalMacs } from "../onnx/cuts.ts";
import { computeFeatures, type FrozenFeatures, spread, type Wanted } from "../training/frozen-features.ts";
import { softTargets } from "../training/heads.ts";
import type { AttachOptions } from "./attach-options.ts";
import { betterHead, type LearnedHead } from "./better-head.ts";
import { accuracyOf, gridOf, HEAD_FEATURES, judged, MOST_BYTES, widthOf } from "./head-sizes.ts";
import { chosenColumns, ownClasses } from "./own-classes.ts";

/**
 * The last head comes first: where the network's classes are others, it is the teacher of those before. These learn one after the
 * other, each with the weights of what goes on behind those before it.
 *
 * @param calibration what the policy is learned from: it judges whether a hidden layer pays, and which last exit is better
 */
export async function learnHeads(
  given: AttachOptions,
  train: Samples,
  calibration: Samples,
  cuts: readonly Cut[],
  mirrors: boolean,
) {
  const { network, data, runtime, seed = 1, onProgress, signal } = given;
  const classes = data.classes.length;
  const names = [...cuts.map(({ name }) => name), lastFeatures(network.prepared) ?? network.prepared.answer];
  const wanted = names.map((name) => ({ name, grid: gridOf(network, name, HEAD_FEATURES) }));
  const { features, labels, answers, count } = await trainingFeatures(given, train, wanted, mirrors);
  const { answerClasses, notes } = ownClasses(given, answers, labels);
  const own = answerClasses && chosenColumns(answers, count, answerClasses);
  const judges = spread(calibration, Math.floor(MOST_BYTES / 4 / bytesOf(network, wanted)));
  const known = await computeFeatures(runtime, network, judges, wanted, {
    onProgress: (done, total) => onProgress?.("judging", done, total),
  });
  const reach = { learning: new Float32Array(count).fill(1), judging: new Float32Array(judges.count).fill(1) };
  const learn = (i: number, targets: Float32Array): Promise<LearnedHead> => {
    onProgress?.("heads", i === names.length - 1 ? 0 : i + 1, names.length);
    return betterHead(runtime, {
      features: features[i]!,
      targets,
      weights: reach.learning.slice(),
      judges: { features: known.features[i]!, labels: judges.labels, weights: reach.judging },
      classes,
      fullMacs: totalMacs(network.prepared),
      seed: seed + i,
      ...(signal ? { signal } : {}),
    });
  };
  const lastOne = names.length - 1;
  const last = await learn(lastOne, softTargets(labels, classes, own));
  const targets = softTargets(labels, classes, own ?? last.answers.learning);
  const learned: LearnedHead[] = [];
  for (let i = 0; i < lastOne; i++) {
    const head = await learn(i, targets);
    learned.push(head);
    stayOn(reach.learning, head.answers.learning, classes);
    stayOn(reach.judging, head.answers.judging, classes);
  }
  onProgress?.("heads", names.length, names.length);
  learned.push(last);
  const accuracy = (logits: Float32Array): number => accuracyOf(judged(logits, judges.labels, classes).correct);
  const accuracies = learned.map((head) => accuracy(head.answers.judging));
  const ownAccuracy = answerClasses && accuracy(chosenColumns(known.answers, judges.count, answerClasses));
  const isOwn = ownAccuracy !== null && ownAccuracy >= accuracies[lastOne]!;
  const kept = isOwn ? learned.slice(0, -1) : learned;
  const weights = new Map(
    kept.flatMap((one, k) => [...one.weights].map(([name, value]) => [`heads.${k}.${name}`, value] as const)),
  );
  const heads = names.map((_, k): HeadShape | null =>
    k < kept.length ? { grid: wanted[k]!.grid, hidden: kept[k]!.hidden } : null,
  );
  const findings = {
    heads: learned.map(({ hidden }, k) => ({
      cut: names[k]!,
      grid: wanted[k]!.grid,
      hidden,
      accuracy: accuracies[k]!,
    })),
    ownAccuracy,
    headAccuracy: accuracies[lastOne]!,
    lastExit: isOwn ? ("own answer" as const) : ("new head" as const),
    notes,
  };
  return { heads, weights, findings, answerClasses };
}

/** Pictures that heads begin with before the network learns with them. */
const WARM_UP = 10_000;

/** Features of the pictures, and of the mirrored ones behind them; fewer pictures where they would not fit into memory. */
async function trainingFeatures(given: AttachOptions, train: Samples, wanted: readonly Wanted[], mirrors: boolean) {
  const { network, runtime, onProgress } = given;
  const bytes = bytesOf(network, wanted);
  const goesOn = (given.tune ?? "heads") !== "heads"; // then heads only begin here
  const mirrored = mirrors && !goesOn && 2 * bytes * train.count <= MOST_BYTES;
  const some = spread(train, Math.min(goesOn ? WARM_UP : train.count, Math.floor(MOST_BYTES / bytes)));
  const passes = mirrored ? [false, true] : [false];
  const parts: FrozenFeatures[] = [];
  for (const [n, flipped] of passes.entries())
    parts.push(
      await computeFeatures(runtime, network, some, wanted, {
        mirrored: flipped,
        onProgress: (done) => onProgress?.("features", n * some.count + done, passes.length * some.count),
      }),
    );
  const joined = (all: readonly Float32Array[]): Float32Array => {
    if (all.length === 1) return all[0]!;
    const out = new Float32Array(all.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const one of all) {
      out.set(one, at);
      at += one.length;
    }
    return out;
  };
  const labels = new Uint16Array(some.count * passes.length);
  for (let n = 0; n < passes.length; n++) labels.set(some.labels, n * some.count);
  return {
    count: labels.length,
    labels,
    features: wanted.map((_, i) => joined(parts.map((part) => part.features[i]!))),
    answers: joined(parts.map((part) => part.answers)),
  };
}

/** Of all features of one picture. */
function bytesOf(network: OpenedNetwork, wanted: readonly Wanted[]): number {
  return 4 * wanted.reduce((sum, one) => sum + widthOf(network, one), 0);
}

/** How likely a picture goes on behind an exit: the surer the exit, the less; never nothing. */
function stayOn(reach: Float32Array, logits: Float32Array, classes: number): void {
  for (let i = 0; i < reach.length; i++) {
    const top = largest(logits, i * classes, classes);
    let total = 0;
    for (let k = 0; k < classes; k++) total += Math.exp(logits[i * classes + k]! - logits[i * classes + top]!);
    reach[i] = Math.max(LEAST_REACH, reach[i]! * (1 - (1 / total) ** 4));
  }
}

const LEAST_REACH = 0.25;
