/** Heads at the chosen cuts, from features that are computed once, and which of two last exits is better. */
import type { Samples } from "../dataset/dataset.ts";
import { largest } from "../exits/answers.ts";
import type { HeadShape } from "../network/head.ts";
import type { Weights } from "../network/weights.ts";
import { type Cut, lastFeatures } from "../onnx/cuts.ts";
import { computeFeatures, type FrozenFeatures, spread, type Wanted } from "../training/frozen-features.ts";
import { headAnswers, softTargets, trainHead } from "../training/heads.ts";
import type { AttachOptions } from "./attach-options.ts";
import { accuracyOf, gridOf, HEAD_FEATURES, HIDDEN, judged, MOST_BYTES, widthOf } from "./head-sizes.ts";

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
  const shape = (i: number): HeadShape => ({ grid: wanted[i]!.grid, hidden: HIDDEN });
  const learn = (i: number, targets: Float32Array, weights: Float32Array): Promise<Weights> => {
    onProgress?.("heads", i === names.length - 1 ? 0 : i + 1, names.length);
    const stop = signal ? { signal } : {};
    return trainHead(runtime, {
      features: features[i]!,
      targets,
      weights,
      classes,
      hidden: HIDDEN,
      seed: seed + i,
      ...stop,
    });
  };
  // the last one first: where the network's classes are others, it is the teacher of those before
  const lastOne = names.length - 1;
  const last = await learn(lastOne, softTargets(labels, classes, own), new Float32Array(count).fill(1));
  const teacher = own ?? headAnswers(features[lastOne]!, count, last, HIDDEN);
  const targets = softTargets(labels, classes, teacher);
  const learned: Weights[] = [];
  const reach = new Float32Array(count).fill(1);
  for (let i = 0; i < lastOne; i++) {
    const weights = await learn(i, targets, reach.slice());
    learned.push(weights);
    stayOn(reach, headAnswers(features[i]!, count, weights, HIDDEN), classes);
  }
  onProgress?.("heads", names.length, names.length);
  learned.push(last);
  const ends = await compareEnds(given, calibration, wanted.at(-1)!, last, answerClasses);
  const isOwn = ends.own !== null && ends.own >= ends.head;
  const weights = new Map(
    learned.flatMap((one, k) =>
      k === lastOne && isOwn ? [] : [...one].map(([name, value]) => [`heads.${k}.${name}`, value] as const),
    ),
  );
  const heads = names.map((_, k) => (k === lastOne && isOwn ? null : shape(k)));
  const findings = {
    ownAccuracy: ends.own,
    headAccuracy: ends.head,
    lastExit: isOwn ? ("own answer" as const) : ("new head" as const),
    notes,
  };
  return { heads, weights, findings, answerClasses };
}

/** Features of the pictures, and of the mirrored ones behind them; fewer pictures where they would not fit into memory. */
async function trainingFeatures(given: AttachOptions, train: Samples, wanted: readonly Wanted[], mirrors: boolean) {
  const { network, runtime, onProgress } = given;
  const bytes = 4 * wanted.reduce((sum, one) => sum + widthOf(network, one), 0);
  const mirrored = mirrors && 2 * bytes * train.count <= MOST_BYTES;
  const some = spread(train, Math.floor(MOST_BYTES / bytes));
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

/** Which of the network's own classes the data's are, with what the user should know about it. */
function ownClasses({ network, data }: AttachOptions, answers: Float32Array, labels: Uint16Array) {
  const { classes } = data;
  const width = answers.length / labels.length;
  const byName = network.labels && classes.map((name) => indexOfName(network.labels!, name));
  if (byName?.every((index) => index >= 0)) return { answerClasses: byName, notes: [] };
  if (width !== classes.length)
    return {
      answerClasses: null,
      notes: [
        `its own ${width} classes are not those of ${data.name}: the last exit is a new head on its last features`,
      ],
    };
  const identity = classes.map((_, k) => k);
  const accuracy = accuracyOf(judged(answers, labels, width).correct);
  const chance =
    Math.max(...identity.map((k) => labels.reduce((sum, label) => sum + (label === k ? 1 : 0), 0))) / labels.length;
  if (accuracy > chance + 0.5 * (1 - chance) * 0.2) return { answerClasses: identity, notes: [] };
  return {
    answerClasses: null,
    notes: [
      `its own answers are right for ${(100 * accuracy).toFixed(1)}% of the training pictures, near chance: either its classes have ` +
        "another order (give --labels), or its pictures are prepared otherwise (try another --normalise, --channels or --layout)",
    ],
  };
}

function indexOfName(labels: readonly string[], name: string): number {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  return labels.findIndex((label) => plain(label) === plain(name));
}

function chosenColumns(answers: Float32Array, count: number, columns: readonly number[]): Float32Array {
  const width = answers.length / count;
  return Float32Array.from({ length: count * columns.length }, (_, at) => {
    const [i, k] = [Math.floor(at / columns.length), at % columns.length];
    return answers[i * width + columns[k]!]!;
  });
}

/** The network's own answer against a new head, on pictures that neither learned from. */
async function compareEnds(
  { network, data, runtime, onProgress }: AttachOptions,
  calibration: Samples,
  last: Wanted,
  head: Weights,
  answerClasses: readonly number[] | null,
): Promise<{ own: number | null; head: number }> {
  const classes = data.classes.length;
  const { features, answers, count } = await computeFeatures(runtime, network, calibration, [last], {
    onProgress: (done, total) => onProgress?.("last exit", done, total),
  });
  const accuracy = (logits: Float32Array): number => accuracyOf(judged(logits, calibration.labels, classes).correct);
  return {
    own: answerClasses && accuracy(chosenColumns(answers, count, answerClasses)),
    head: accuracy(headAnswers(features[0]!, count, head, HIDDEN)),
  };
}
