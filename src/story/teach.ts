/**
 * A few pictures of one's own become a classifier, from a network that has learned something else: its heads get new last layers, and
 * every picture is judged by heads that have not seen it, so that none is spent on judging. Letters: N pictures, E exits, K classes.
 */
import { createSamples, type Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { answersOf, plainRule } from "../exits/answers.ts";
import { exitAccuracies } from "../exits/environment.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import type { BlueprintNetwork } from "../network/blueprint-network.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Weights } from "../network/weights.ts";
import { LEAST_TO_LEARN } from "../policy/choice.ts";
import { FOLDS, foldsOf } from "../policy/cross-fit.ts";
import { DQN_DEFAULTS, type DqnProgress } from "../policy/dqn.ts";
import { agentLayers, exitCosts } from "../policy/exit-costs.ts";
import { learnOnTable } from "../policy/learn.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { headAnswers, softTargets, trainHead } from "../training/heads.ts";
import { type HeadFeatures, headFeatures, withLastLayers } from "../training/last-layers.ts";
import { VERSION } from "../version.ts";

/** What is told on the way. */
export type TeachProgress =
  /** Runs of the network over the pictures and their variations. */
  | { readonly kind: "features"; readonly done: number; readonly total: number }
  /** Heads trained; `accuracy` [E] on the pictures judged so far, by heads that have not seen them. */
  | {
      readonly kind: "heads";
      readonly done: number;
      readonly total: number;
      readonly accuracy: readonly number[] | null;
    }
  | { readonly kind: "policy"; readonly progress: DqnProgress };

export interface TeachOptions {
  readonly runtime: Runtime;
  /** The network to begin with, one of ours; pictures are in its shape. */
  readonly from: StagedNetwork;
  /** [K] */
  readonly classes: readonly string[];
  readonly samples: Samples;
  /** Default 1. */
  readonly seed?: number;
  readonly onProgress?: (progress: TeachProgress) => void;
  readonly signal?: AbortSignal;
}

export interface Taught {
  readonly network: BlueprintNetwork;
  readonly policy: LearnedPolicy;
  /** [E] of each head by itself, on pictures that it has not seen */
  readonly accuracy: readonly number[];
}

/** Each class in each fold. */
const LEAST_PER_CLASS = FOLDS;
/** Pictures and variations together, where there are few. */
const WANTED_VIEWS = 400;
const MOST_VARIATIONS = 8;
/** Of each of the heads that are trained: six for every exit. */
const HEAD_STEPS = 150;
/** Where thresholds decide for want of pictures, whatever the agent says. */
const FEW_STEPS = 200;

/** @throws {UserError} if the network is none of ours, there are fewer than two classes, or a class has too few pictures */
export async function teach(options: TeachOptions): Promise<Taught> {
  const { runtime, classes, samples, seed = 1, onProgress = () => {}, signal } = options;
  const from = blueprintOf(options.from);
  checkPictures(classes, samples);
  const variations = Math.max(2, Math.min(MOST_VARIATIONS, Math.ceil(WANTED_VIEWS / samples.count)));
  const views = await headFeatures(runtime, from, samples, variations, seed, (done, total) => {
    signal?.throwIfAborted();
    onProgress({ kind: "features", done, total });
  });
  const { table, last } = await learnHeads(options, views);
  const accuracy = exitAccuracies(answersOf(table, plainRule(table.exits)));
  const network = withLastLayers(from, classes, last, {
    dataset: { name: "own pictures", sha256: { train: samples.sha256 } },
    seed,
    version: VERSION,
    recipe: { kind: "last layers", from: { name: from.name, sha256: from.sha256 }, variations, folds: FOLDS },
  });
  const steps = samples.count < LEAST_TO_LEARN ? FEW_STEPS : DQN_DEFAULTS.steps;
  const policy = await learnOnTable({
    runtime,
    table,
    costs: exitCosts(network, agentLayers(DQN_DEFAULTS, table.exits)),
    costUnit: "MACs",
    splitSeed: seed,
    leastImages: LEAST_PER_CLASS * classes.length,
    options: { seed, steps },
    onProgress: (progress) => onProgress({ kind: "policy", progress }),
    ...(signal ? { signal } : {}),
  });
  return { network, policy: { network: network.sha256, ...policy }, accuracy };
}

function blueprintOf(network: StagedNetwork): BlueprintNetwork {
  if (network.description.kind === "blueprint") return network as BlueprintNetwork;
  throw new UserError(
    `teach: a network from a blueprint with float weights expected, found ${network.name} (${network.description.kind}); ` +
      "begin with another model",
  );
}

function checkPictures(classes: readonly string[], { labels }: Samples): void {
  if (classes.length < 2)
    throw new UserError(`teach: at least two classes expected, found ${classes.length}; add another one`);
  for (const [k, name] of classes.entries()) {
    const count = labels.reduce((sum, one) => sum + Number(one === k), 0);
    if (count < LEAST_PER_CLASS)
      throw new UserError(
        `teach: at least ${LEAST_PER_CLASS} pictures of each class expected, found ${count} of ${name}; add some`,
      );
  }
}

/** Heads of each fold for the table, then those of all pictures, which are kept. */
async function learnHeads(given: TeachOptions, views: HeadFeatures): Promise<{ table: ExitTable; last: Weights[] }> {
  const { runtime, classes, samples, seed = 1, onProgress = () => {}, signal } = given;
  const { labels, count } = samples;
  const [exits, kinds] = [views.widths.length, classes.length];
  const fold = foldsOf(labels, seed);
  const logits = new Float32Array(count * exits * kinds);
  const total = (FOLDS + 1) * exits;
  const told = (done: number, accuracy: readonly number[] | null): void =>
    onProgress({ kind: "heads", done, total, accuracy });
  const train = (pictures: readonly number[], exit: number, task: number): Promise<Weights> => {
    const chosen = Array.from({ length: views.variations }, (_, v) => pictures.map((i) => v * count + i)).flat();
    return trainHead(runtime, {
      features: rowsOf(views, exit, chosen),
      targets: softTargets(
        chosen.map((row) => labels[row % count]!),
        kinds,
        null,
      ),
      weights: new Float32Array(chosen.length).fill(1),
      classes: kinds,
      hidden: 0,
      leastSteps: HEAD_STEPS,
      seed: seed + task,
      ...(signal ? { signal } : {}),
    });
  };
  told(0, null);
  const everybody = [...labels.keys()];
  const judged: number[] = [];
  for (let f = 0; f < FOLDS; f++) {
    const held = everybody.filter((i) => fold[i] === f);
    const others = everybody.filter((i) => fold[i] !== f);
    for (let exit = 0; exit < exits; exit++) {
      const head = await train(others, exit, f * exits + exit);
      const answers = headAnswers(rowsOf(views, exit, held), held.length, head, 0);
      held.forEach((image, i) => {
        logits.set(answers.subarray(i * kinds, (i + 1) * kinds), (image * exits + exit) * kinds);
      });
      if (exit < exits - 1) told(f * exits + exit + 1, null);
    }
    judged.push(...held);
    told((f + 1) * exits, accuracyOn({ logits, labels, count, exits, classes: kinds }, judged));
  }
  const last: Weights[] = [];
  for (let exit = 0; exit < exits; exit++) {
    last.push(await train(everybody, exit, FOLDS * exits + exit));
    told(FOLDS * exits + exit + 1, null);
  }
  return { table: { logits, labels, count, exits, classes: kinds }, last };
}

/** [rows, F] */
function rowsOf({ features, widths }: HeadFeatures, exit: number, rows: readonly number[]): Float32Array {
  const [all, width] = [features[exit]!, widths[exit]!];
  const chosen = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    chosen.set(all.subarray(row * width, (row + 1) * width), i * width);
  });
  return chosen;
}

/** [E] on some of the pictures. */
function accuracyOn(table: ExitTable, images: readonly number[]): number[] {
  const row = table.exits * table.classes;
  const some = new Float32Array(images.length * row);
  images.forEach((image, i) => {
    some.set(table.logits.subarray(image * row, (image + 1) * row), i * row);
  });
  const labels = Uint16Array.from(images, (image) => table.labels[image]!);
  return exitAccuracies(answersOf({ ...table, logits: some, labels, count: images.length }, plainRule(table.exits)));
}

/** The pictures of each class as samples. @param pictures [K] of [C, H, W] bytes */
export function ownSamples(pictures: readonly (readonly Uint8Array[])[]): Samples {
  const all = pictures.flat();
  const pixels = new Uint8Array(all.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of all) {
    pixels.set(one, at);
    at += one.length;
  }
  return createSamples(pixels, Uint16Array.from(pictures.flatMap((some, k) => some.map(() => k))));
}
