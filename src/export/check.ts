/** An export against the classifier that it came from, on the same pictures: the same decisions and probabilities. */
import type { ImageShape } from "../dataset/dataset.ts";
import { drawShape, SHAPE_CLASSES, SIDE } from "../dataset/shape-drawing.ts";
import { lambdaGridWith } from "../exits/lambda-grid.ts";
import { sizeOf } from "../graph/tensor.ts";
import { AdaptiveClassifier } from "../inference/adaptive-classifier.ts";
import type { Model } from "../model/model.ts";
import { pictureOf } from "../network/staged-network.ts";
import { integer, seededRandom } from "../random.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Manifest } from "./manifest.ts";
import { type Answer, type OpenFile, runOneFile, runStages } from "./run-files.ts";

const DRAWN = 0x64726177; // keep these random numbers apart from those of other purposes
const NOISE = 0x6e6f6973;
/** Pictures per lambda where none are given: half of them drawn, half of them noise. */
const PICTURES = 64;
/** Compared at once. */
const CHUNK = 256;
/** Probabilities and Q-values: float32 sums of some thousand products, added up in another order. */
const TOLERANCE = 1e-4;
/** Share of the decisions that may differ, each of them at a near tie. */
const DIFFERENT_SHARE = 0.001;

/** What was compared, and what came of it. */
export interface CheckReport {
  readonly pictures: number;
  readonly lambdas: readonly number[];
  /** [E] how many answers were given at each exit */
  readonly exits: readonly number[];
  /** Decisions that differ, each at a near tie. */
  readonly different: number;
  /** Largest difference of a probability where the decisions agree. */
  readonly largestDifference: number;
}

export interface CheckOptions {
  /** [N, C, H, W] bytes; default: drawn pictures and noise */
  readonly pictures?: Uint8Array | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What a classifier says of one picture, as far as it is compared. */
interface Expected {
  /** 1..E */
  readonly exit: number;
  readonly probabilities: readonly number[];
  readonly trace: readonly { readonly qExit: number | null; readonly qContinue: number | null }[];
}

/**
 * Runs the files and the classifier on the same pictures, at the ends of the lambda range, its middle and the recommended one.
 *
 * @throws {Error} naming the first picture of which they say different things
 */
export async function checkExport(
  runtime: Runtime,
  model: Model,
  manifest: Manifest,
  files: readonly OpenFile[],
  { pictures, onProgress }: CheckOptions = {},
): Promise<CheckReport> {
  const { from, to, recommended } = manifest.lambda;
  const lambdas = lambdaGridWith(recommended, { from, to }, 3);
  const shape = pictureOf(model.network).shape;
  const pixels = pictures ?? checkPictures(shape, PICTURES);
  const chunk = CHUNK * sizeOf(shape);
  const run = manifest.target === "onnx" ? runOneFile : runStages;
  const classifier = await AdaptiveClassifier.create(runtime, model, async (one: Uint8Array) => one);
  const reports: CheckReport[] = [];
  try {
    for (const [i, lambda] of lambdas.entries()) {
      classifier.lambda = lambda;
      const expected: Expected[] = [];
      const found: (Answer | undefined)[] = [];
      for (let from = 0; from < pixels.length; from += chunk) {
        const some = pixels.subarray(from, from + chunk);
        expected.push(...(await classifier.classifyPixels(some)));
        found.push(...(await run(files, some, lambda)));
        onProgress?.(
          (i * pixels.length) / sizeOf(shape) + expected.length,
          (lambdas.length * pixels.length) / sizeOf(shape),
        );
      }
      reports.push(compareAnswers(expected, found, manifest, lambda));
    }
  } finally {
    await classifier.close();
  }
  return total(reports, manifest.costs.exitMacs.length);
}

/** @throws {Error} if an answer differs by more than rounding can explain */
export function compareAnswers(
  expected: readonly Expected[],
  found: readonly (Answer | undefined)[],
  { costs, precise }: Pick<Manifest, "costs" | "precise">,
  lambda: number,
): CheckReport {
  const exits = costs.exitMacs.map(() => 0);
  let [different, largestDifference] = [0, 0];
  for (const [i, { exit, probabilities, trace }] of expected.entries()) {
    const where = `export: picture ${i} at lambda ${lambda}:`;
    const answer = found[i];
    if (!answer) throw disagreement(where, `exit ${exit}`, "none"); // what is no number leaves nowhere
    exits[answer.exit - 1]!++;
    const cost = Math.round(costs.exitMacs[answer.exit - 1]!);
    if (answer.cost !== undefined && answer.cost !== cost)
      throw disagreement(where, `cost ${cost}`, String(answer.cost));
    if (answer.exit !== exit) {
      const { qExit, qContinue } = trace[Math.min(exit, answer.exit) - 1]!;
      const gap = Math.abs(qExit! - qContinue!);
      if (!(gap <= TOLERANCE)) throw disagreement(where, `exit ${exit}`, `${answer.exit} (Q-values ${gap} apart)`);
      different++;
      continue;
    }
    const difference = Math.max(...probabilities.map((p, k) => Math.abs(p - answer.probabilities[k]!)));
    if (!(difference <= TOLERANCE))
      throw disagreement(where, `probabilities ${probabilities}`, `${answer.probabilities}`);
    const best = answer.probabilities.indexOf(Math.max(...answer.probabilities));
    if (answer.classIndex !== best) throw disagreement(where, `class ${best}`, String(answer.classIndex));
    checkUnsure(where, answer, precise?.least);
    largestDifference = Math.max(largestDifference, difference);
  }
  const allowed = Math.ceil(DIFFERENT_SHARE * expected.length);
  if (different > allowed)
    throw disagreement(`export: at lambda ${lambda}:`, `at most ${allowed} different decisions`, String(different));
  return { pictures: expected.length, lambdas: [lambda], exits, different, largestDifference };
}

/** @param least the least confidence that names a class, undefined where every one does */
function checkUnsure(where: string, { probabilities, unsure }: Answer, least: number | undefined): void {
  if (least === undefined) return;
  const confidence = Math.max(...probabilities);
  if (Math.abs(confidence - least) <= TOLERANCE || unsure === confidence < least) return;
  throw disagreement(where, `unsure ${confidence < least} at a confidence of ${confidence}`, String(unsure));
}

function disagreement(where: string, expected: string, found: string): Error {
  return new Error(`${where} ${expected} expected (of the classifier), found ${found} (of the files); do not use them`);
}

function total(reports: readonly CheckReport[], exits: number): CheckReport {
  const sum = (of: (report: CheckReport) => number): number => reports.reduce((all, one) => all + of(one), 0);
  return {
    pictures: reports[0]!.pictures,
    lambdas: reports.flatMap(({ lambdas }) => lambdas),
    exits: Array.from({ length: exits }, (_, k) => sum((one) => one.exits[k]!)),
    different: sum((one) => one.different),
    largestDifference: Math.max(...reports.map((one) => one.largestDifference)),
  };
}

/** Drawn pictures of every difficulty, scaled to the shape, and as many of noise: [N, C, H, W] bytes. */
export function checkPictures(shape: ImageShape, count: number): Uint8Array {
  const [channels, height, width] = shape;
  const pixels = new Uint8Array(count * sizeOf(shape));
  const half = Math.ceil(count / 2);
  for (let i = 0; i < half; i++) {
    const drawn = drawShape(i % SHAPE_CLASSES.length, i / half, seededRandom(DRAWN, i)); // [3, SIDE, SIDE]
    for (let at = 0; at < sizeOf(shape); at++) {
      const c = Math.floor(at / (height * width)) % Math.min(3, channels);
      const y = Math.floor(((Math.floor(at / width) % height) * SIDE) / height);
      const x = Math.floor(((at % width) * SIDE) / width);
      pixels[i * sizeOf(shape) + at] = drawn[(c * SIDE + y) * SIDE + x]!;
    }
  }
  const random = seededRandom(NOISE);
  for (let at = half * sizeOf(shape); at < pixels.length; at++) pixels[at] = integer(random, 0, 255);
  return pixels;
}
