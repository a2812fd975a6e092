import type { ExitTable } from "./exit-table.ts";

/** Temperatures are searched between these two. */
const COLDEST = 0.05;
const HOTTEST = 20;
/** Bins of confidence, as in Guo et al. (2017). */
export const CONFIDENCE_BINS = 15;

/**
 * One temperature T per exit: the one that minimises the mean of -log softmax(logits / T)[label].
 *
 * The negative log-likelihood is convex in 1 / T, so it has one minimum in log T: golden-section search over 0.05..20, to a
 * relative precision of 1e-5.
 *
 * @param table the fit half: images that the network was not trained on
 * @returns [E]
 * @throws {RangeError} if the table is empty
 * @see Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2; here one temperature for each exit
 */
export function fitTemperatures(table: ExitTable): number[] {
  if (table.count === 0) throw new RangeError("fitTemperatures: at least 1 image expected, found 0");
  return Array.from({ length: table.exits }, (_, exit) => {
    const nll = (logT: number): number => negativeLogLikelihood(table, exit, Math.exp(logT));
    return Math.exp(goldenSection(nll, Math.log(COLDEST), Math.log(HOTTEST), 1e-5));
  });
}

/** Mean of -log softmax(logits / temperature)[label] at one exit, in nats. */
export function negativeLogLikelihood(table: ExitTable, exit: number, temperature: number): number {
  const { logits, labels, count, exits, classes } = table;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const from = (i * exits + exit) * classes;
    let largest = -Infinity;
    for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[from + k]!);
    let total = 0;
    for (let k = 0; k < classes; k++) total += Math.exp((logits[from + k]! - largest) / temperature);
    sum += Math.log(total) - (logits[from + labels[i]!]! - largest) / temperature;
  }
  return sum / count;
}

/** Where f, which falls and then rises, is lowest: the bracket shrinks by 0.618 per evaluation. Kiefer (1953). */
function goldenSection(f: (x: number) => number, low: number, high: number, tolerance: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [low, high];
  let [left, right] = [b - ratio * (b - a), a + ratio * (b - a)];
  let [atLeft, atRight] = [f(left), f(right)];
  while (b - a > tolerance) {
    if (atLeft <= atRight) {
      [b, right, atRight] = [right, left, atLeft];
      left = b - ratio * (b - a);
      atLeft = f(left);
    } else {
      [a, left, atLeft] = [left, right, atRight];
      right = a + ratio * (b - a);
      atRight = f(right);
    }
  }
  return (a + b) / 2;
}

/**
 * Expected calibration error: images are put into 15 bins of equal width by confidence;
 * ECE = sum over bins of (share of images) * |accuracy - mean confidence|. A bin holds its upper border: (0, 1/15], ...
 *
 * @param confidence [N] in 0..1
 * @param correct [N] 1 where the answer is right, else 0
 * @throws {RangeError} if the two are empty or of different length
 * @see Guo et al. (ICML 2017), eq. 3
 */
export function expectedCalibrationError(confidence: ArrayLike<number>, correct: ArrayLike<number>): number {
  const count = confidence.length;
  if (count === 0 || count !== correct.length)
    throw new RangeError(`ece: one answer per confidence expected, found ${correct.length} and ${count}`);
  const gap = new Float64Array(CONFIDENCE_BINS); // sum of (correct - confidence)
  for (let i = 0; i < count; i++) gap[binOf(confidence[i]!)]! += correct[i]! - confidence[i]!;
  return gap.reduce((sum, one) => sum + Math.abs(one), 0) / count;
}

/** The bin of a confidence, 0..14; a bin holds its upper border. */
export function binOf(confidence: number): number {
  return Math.min(CONFIDENCE_BINS - 1, Math.max(0, Math.ceil(confidence * CONFIDENCE_BINS) - 1));
}

/** The confidence (largest probability of softmax(logits / temperature)) of every image at one exit, and if it is right. */
export function confidences(
  table: ExitTable,
  exit: number,
  temperature: number,
): { confidence: Float64Array; correct: Uint8Array } {
  const { logits, labels, count, exits, classes } = table;
  const confidence = new Float64Array(count);
  const correct = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const from = (i * exits + exit) * classes;
    let best = 0;
    for (let k = 1; k < classes; k++) if (logits[from + k]! > logits[from + best]!) best = k;
    let total = 0;
    for (let k = 0; k < classes; k++) total += Math.exp((logits[from + k]! - logits[from + best]!) / temperature);
    confidence[i] = 1 / total;
    correct[i] = best === labels[i] ? 1 : 0;
  }
  return { confidence, correct };
}

/** [E] ECE of every exit on a table; temperatures of 1 give the error before calibration. */
export function calibrationErrors(table: ExitTable, temperatures: readonly number[]): number[] {
  return temperatures.map((temperature, exit) => {
    const { confidence, correct } = confidences(table, exit, temperature);
    return expectedCalibrationError(confidence, correct);
  });
}
