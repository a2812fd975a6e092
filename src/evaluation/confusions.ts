/** What is taken for what: the confusion matrix, without its empty cells. */
import { type AnswerTable, largest } from "../exits/answers.ts";

/** A cell of the matrix. Its place is `label * K + answer`. */
export interface Confusion {
  /** 0..K-1 */
  readonly label: number;
  /** 0..K-1, of the exit where the image left; equal to `label` where it is right */
  readonly answer: number;
  /** at least 1 */
  readonly images: number;
}

/**
 * Counts answers by label; the counts sum to N.
 *
 * @param taken [N] exit that each image left at, 0..E-1
 * @returns sorted by label, then answer
 */
export function confusions({ exits, classes, labels, logProbabilities }: AnswerTable, taken: Uint8Array): Confusion[] {
  const images = new Map<number, number>();
  for (const [image, label] of labels.entries()) {
    const answer = largest(logProbabilities, (image * exits + taken[image]!) * classes, classes);
    const cell = label * classes + answer;
    images.set(cell, (images.get(cell) ?? 0) + 1);
  }
  return [...images]
    .sort(([a], [b]) => a - b)
    .map(([cell, count]) => ({ label: Math.floor(cell / classes), answer: cell % classes, images: count }));
}
