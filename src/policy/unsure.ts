/** From which confidence on an answer may be given, where a wrong one is worse than none. */
import { UserError } from "../errors.ts";
import { answersOf } from "../exits/answers.ts";
import { confidences } from "../exits/calibration.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { decide } from "./agent.ts";
import { decidingAgent } from "./decider.ts";
import { type LearnedPolicy, validationOf } from "./learned-policy.ts";

/** What holds on the validation images, which the network has not seen. */
export interface SureAnswers {
  /** An answer is given from this confidence on. */
  readonly least: number;
  /** Share of the images that are then answered, 0..1. */
  readonly answered: number;
  /** Share of those answers that are right, 0..1. */
  readonly precision: number;
}

/** The same with what was asked for. */
export interface PreciseAnswers extends SureAnswers {
  /** Share of the answers that are to be right, above 0 and below 1. */
  readonly wanted: number;
  /** Where it was solved; at another one images leave elsewhere, and another confidence is the least. */
  readonly lambda: number;
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
 * `leastConfidence` of the answers at one lambda, where the policy's decider lets images leave. The agent and two numbers per exit were fitted
 * to the same images; the network, whose confidence it is, was not.
 *
 * @throws {UserError} if that precision cannot be had, or is none
 */
export async function sureAnswers(
  runtime: Runtime,
  policy: LearnedPolicy,
  lambda: number,
  precise: number,
): Promise<SureAnswers> {
  if (!(precise > 0 && precise < 1))
    throw new UserError(`precise: a share above 0 and below 1 expected, found ${precise}; 0.99 is 99%`);
  const { agent, costs } = policy;
  const answers = answersOf(validationOf(policy), agent);
  const taken = await decide(runtime, decidingAgent(policy), answers, costs, lambda);
  const perExit = Array.from({ length: agent.exits }, (_, exit) => confidences(answers, exit));
  const confidence = Float64Array.from(taken, (exit, i) => perExit[exit]!.confidence[i]!);
  const correct = Uint8Array.from(taken, (exit, i) => perExit[exit]!.correct[i]!);
  const found = leastConfidence(confidence, correct, precise);
  if (found) return found;
  throw new UserError(
    `precise: a precision that the model reaches on validation expected, found ${(100 * precise).toFixed(2)}%; ask for less`,
  );
}
