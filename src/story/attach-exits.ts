/**
 * Exits for a network that is there already, without touching what is in it: probes at every cut, the best places for exits, heads on
 * frozen features. What comes out is a `StagedNetwork` like our own: a policy is learned for it in the same way.
 */
import { type Dataset, type Samples, subset } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { largest } from "../exits/answers.ts";
import { type ProbedCut, placeExits } from "../exits/placement.ts";
import { featureCount, gridFor, type HeadShape } from "../network/head.ts";
import { type ImportedNetwork, importedNetwork, type OpenedNetwork } from "../network/imported-network.ts";
import type { Weights } from "../network/weights.ts";
import { type Cut, findCuts, lastFeatures, totalMacs } from "../onnx/cuts.ts";
import { DQN_DEFAULTS } from "../policy/dqn.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { computeFeatures, type FrozenFeatures, spread, type Wanted } from "../training/frozen-features.ts";
import { headAnswers, softTargets, trainHead } from "../training/heads.ts";
import { probe } from "../training/probe.ts";
import { VERSION } from "../version.ts";

export interface AttachOptions {
  readonly network: OpenedNetwork;
  /** Heads learn from its training part; its pictures have the size of the network's input. */
  readonly data: Dataset;
  /** Pictures that the network has never seen: the policy is learned from them. Default: the validation part of `data`. */
  readonly calibrate?: Samples;
  /** E, the last one included; default: as many as pay, at most 8. */
  readonly exits?: number;
  /** Names of the tensors to cut at, in place of the best ones. */
  readonly at?: readonly string[];
  readonly runtime: Runtime;
  readonly seed?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What was found on the way: kept with the network, shown in the report. */
export interface AttachFindings {
  /** Of a probe at each cut, on training pictures that it did not learn from. */
  readonly probes: readonly { cut: string; share: number; accuracy: number; chosen: boolean }[];
  /** On the pictures that the policy is learned from: as it came, and with a new last head; null where its classes are others. */
  readonly ownAccuracy: number | null;
  readonly headAccuracy: number;
  readonly lastExit: "own answer" | "new head";
  readonly calibrated: boolean;
  /** What the user should know. */
  readonly notes: readonly string[];
}

export interface Attached {
  readonly network: ImportedNetwork;
  readonly findings: AttachFindings;
}

const MOST_EXITS = 8;
const HIDDEN = 128;
/** Features of one head, at most: finer grids are taken where they fit. */
const HEAD_FEATURES = 2048;
const PROBE_FEATURES = 800;
const PROBE_IMAGES = 3000;
/** Of features in memory. */
const MOST_BYTES = 2 ** 30;
/** Mirrored pictures are learned from where a probe finds them no harder than this. */
const MIRROR_LOSS = 0.03;

/** @throws {UserError} if pictures, labels or names do not fit the network, or it has no cut */
export async function attachExits(given: AttachOptions): Promise<Attached> {
  const { network, data, calibrate, seed = 1 } = given;
  const { train, judged } = checkedData(given);
  const cuts = usefulCuts(network, given.at);
  const probed = await probeCuts(given, train, cuts);
  const chosen = given.at ? cuts : probed.chosen.map((i) => cuts[i]!);
  const { heads, weights, findings, answerClasses } = await learnHeads(given, train, judged, chosen, probed.mirrors);
  const probes = cuts.map(({ name, share }, i) => ({
    cut: name,
    share,
    accuracy: probed.accuracies[i]!,
    chosen: chosen.includes(cuts[i]!),
  }));
  const all: AttachFindings = { ...findings, probes, calibrated: calibrate !== undefined };
  const provenance = {
    dataset: {
      name: data.name,
      sha256: { train: data.train!.sha256, validation: judged.sha256, test: data.test.sha256 },
    },
    seed,
    version: VERSION,
    recipe: { attached: { ...all } },
  };
  const cutNames = chosen.map(({ name }) => name);
  const attached = importedNetwork({
    ...network,
    cuts: cutNames,
    heads,
    weights,
    classes: data.classes,
    answerClasses,
    provenance,
  });
  return { network: attached, findings: all };
}

function checkedData({ network, data, calibrate }: AttachOptions): { train: Samples; judged: Samples } {
  const { train } = data;
  const judged = calibrate ?? data.validation;
  if (!train || !judged)
    throw new UserError(
      `attach: pictures to train and to validate expected, found only a test part in ${data.name}; give the whole set`,
    );
  if (data.imageShape.join() !== network.picture.shape.join())
    throw new UserError(
      `attach: pictures of ${network.picture.shape.join("x")} expected (the input of ${network.name}), ` +
        `found ${data.imageShape.join("x")} in ${data.name}; give --input, or pictures of that size`,
    );
  return { train, judged };
}

/** Those that are asked for, or those worth a probe. */
function usefulCuts({ prepared, name }: OpenedNetwork, at: readonly string[] | undefined): Cut[] {
  const all = findCuts(prepared);
  if (all.length === 0)
    throw new UserError(
      `attach: a tensor through which all of ${name} passes expected, found none between input and answer; ` +
        "its parts run side by side to the end, so no exit would save anything",
    );
  if (!at) {
    const narrow = all.filter(({ isNarrow }) => isNarrow);
    return narrow.length >= 3 ? narrow : all;
  }
  return at
    .map((wanted) => {
      const found = all.find((cut) => cut.name === wanted);
      if (found) return found;
      throw new UserError(
        `attach: a cut of ${name} expected, found ${wanted}; the nearest names are ${nearest(
          wanted,
          all.map((cut) => cut.name),
        ).join(", ")}`,
      );
    })
    .sort((a, b) => a.macsBefore - b.macsBefore);
}

/** The three names that share most pieces of three letters with this one. */
function nearest(name: string, names: readonly string[]): string[] {
  const pieces = (text: string): Set<string> =>
    new Set(Array.from({ length: text.length + 2 }, (_, i) => `  ${text.toLowerCase()} `.slice(i, i + 3)));
  const own = pieces(name);
  const likeness = (other: string): number => {
    const theirs = pieces(other);
    return [...theirs].filter((piece) => own.has(piece)).length / Math.sqrt(theirs.size);
  };
  return [...names].sort((a, b) => likeness(b) - likeness(a)).slice(0, 3);
}

// ---- Probes ------------------------------------------------------------------------------------------------------------

interface Probed {
  readonly chosen: readonly number[];
  readonly accuracies: readonly number[];
  /** Whether mirrored pictures are as good as others. */
  readonly mirrors: boolean;
}

async function probeCuts(given: AttachOptions, train: Samples, cuts: readonly Cut[]): Promise<Probed> {
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

function gridOf({ prepared }: OpenedNetwork, name: string, most: number): number {
  return gridFor(prepared.tensors.get(name)!.shape, most);
}

function widthOf({ prepared }: OpenedNetwork, { name, grid }: Wanted): number {
  return featureCount(prepared.tensors.get(name)!.shape, grid);
}

function headMacs(network: OpenedNetwork, name: string, classes: number): number {
  return widthOf(network, { name, grid: gridOf(network, name, HEAD_FEATURES) }) * HIDDEN + HIDDEN * classes;
}

function judged(scores: Float32Array, labels: Uint16Array, classes: number) {
  const correct = new Uint8Array(labels.length);
  const margin = new Float32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const top = largest(scores, i * classes, classes);
    correct[i] = top === labels[i] ? 1 : 0;
    let second = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) if (k !== top) second = Math.max(second, scores[i * classes + k]!);
    margin[i] = scores[i * classes + top]! - second;
  }
  return { correct, margin };
}

function accuracyOf(correct: Uint8Array): number {
  return correct.reduce((sum, one) => sum + one, 0) / Math.max(1, correct.length);
}

// ---- Heads -------------------------------------------------------------------------------------------------------------

async function learnHeads(
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
