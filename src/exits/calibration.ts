import { type AnswerTable, largest } from "./answers.ts";

/** Bins of confidence, as in Guo et al. (2017). */
export const CONFIDENCE_BINS = 15;

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

/** The confidence (largest probability) of every answer at one exit, and if it is right. */
export function confidences(answers: AnswerTable, exit: number): { confidence: Float64Array; correct: Uint8Array } {
  const { logProbabilities, labels, count, exits, classes } = answers;
  const confidence = new Float64Array(count);
  const correct = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const from = (i * exits + exit) * classes;
    const top = largest(logProbabilities, from, classes);
    confidence[i] = Math.exp(logProbabilities[from + top]!);
    correct[i] = top === labels[i] ? 1 : 0;
  }
  return { confidence, correct };
}
