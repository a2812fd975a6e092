/** From which confidence on an answer may be given, where a wrong one is worse than none. */
import { halves } from "../dataset/split.ts";
import { UserError } from "../errors.ts";
import { answersOf } from "../exits/answers.ts";
import { confidences } from "../exits/calibration.ts";
import { tableSubset } from "../exits/exit-table.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { decide } from "./agent.ts";
import type { LearnedPolicy } from "./learned-policy.ts";

/** What holds on the selection half of the validation images. */
export interface SureAnswers {
  /** An answer is given from this confidence on. */
  readonly least: number;
  /** Share of the images that are then answered, 0..1. */
  readonly answered: number;
  /** Share of those answers that are right, 0..1. */
  readonly precision: number;
}

/**
 * The least confidence so that, among all images at least as sure, a share of `precise` is answered rightly; with it as many images as
 * can be are answered. Known classes only: what shows none of them may still look sure, though less often.
 *
 * @param confidence [N] of the answer where each image left
 * @param correct [N] 1 if it is right, else 0
 * @param precise 0..1
 * @returns null where no confidence gives that
 * @see Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks" (NIPS 2017); here without their bound on the risk
 */
export function leastConfidence(confidence: Float64Array, correct: Uint8Array, precise: number): SureAnswers | null {
  const order = Array.from(confidence.keys()).sort((a, b) => confidence[b]! - confidence[a]!);
  let [right, found] = [0, null as SureAnswers | null];
  for (const [i, image] of order.entries()) {
    right += correct[image]!;
    const isTied = i + 1 < order.length && confidence[order[i + 1]!] === confidence[image];
    if (!isTied && right >= precise * (i + 1))
      found = { least: confidence[image]!, answered: (i + 1) / order.length, precision: right / (i + 1) };
  }
  return found;
}

/**
 * `leastConfidence` of the agent's answers at one lambda.
 *
 * @param splitSeed what the policy was learned with: it tells the selection half
 * @throws {UserError} if that precision cannot be had
 */
export async function sureAnswers(
  runtime: Runtime,
  { agent, costs, validation }: LearnedPolicy,
  splitSeed: number,
  lambda: number,
  precise: number,
): Promise<SureAnswers> {
  const answers = answersOf(tableSubset(validation, halves(validation.labels, splitSeed).selection), agent);
  const taken = await decide(runtime, agent, answers, costs, lambda);
  const perExit = Array.from({ length: agent.exits }, (_, exit) => confidences(answers, exit));
  const confidence = Float64Array.from(taken, (exit, i) => perExit[exit]!.confidence[i]!);
  const correct = Uint8Array.from(taken, (exit, i) => perExit[exit]!.correct[i]!);
  const found = leastConfidence(confidence, correct, precise);
  if (found) return found;
  throw new UserError(
    `precise: a precision that the model reaches on validation expected, found ${(100 * precise).toFixed(2)}%; ask for less`,
  );
}
