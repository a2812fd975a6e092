/** Pictures on which the network is most surely "wrong": in real folders that is where the wrong labels are. */
import type { AnswerTable } from "../exits/answers.ts";
import { largest } from "../exits/answers.ts";

export interface Suspect {
  /** Of the image in its split. */
  readonly image: number;
  readonly label: number;
  readonly answer: number;
  /** Of the answer at the last exit, 0..1. */
  readonly confidence: number;
  /** That the last exit gives the label, 0..1. */
  readonly labelProbability: number;
}

/** At most `count` of them, the surest first; all by the last exit, whoever decided. */
export function suspects(table: AnswerTable, count: number): Suspect[] {
  const { exits, classes, labels, logProbabilities } = table;
  const found: Suspect[] = [];
  for (const [image, label] of labels.entries()) {
    const from = (image * exits + exits - 1) * classes;
    const answer = largest(logProbabilities, from, classes);
    if (answer === label) continue;
    const [confidence, labelProbability] = [answer, label].map((k) => Math.exp(logProbabilities[from + k]!));
    found.push({ image, label, answer, confidence: confidence!, labelProbability: labelProbability! });
  }
  return found.sort((a, b) => b.confidence - a.confidence || a.image - b.image).slice(0, count);
}
