/**
 * The decision problem. An episode is one image of an exit table; its state is the exit that it has reached.
 * Everything is known beforehand, so the environment is a handful of functions over columns and holds nothing itself.
 *
 *     exit      reward 1 if the head's answer is right, else 0; the episode ends
 *     continue  reward -lambda * (c_{k+1} - c_k) / c_{E-1}; not allowed at the last exit
 *
 * gamma = 1. The cost of the first exit is paid by every policy, so no action is charged for it.
 *
 * @see Janisch et al., "Classification with Costly Features using Deep Reinforcement Learning" (AAAI 2019); here a feature is
 * one more exit, the order is fixed, and cost is measured in MACs
 */
import { type AnswerTable, largest } from "./answers.ts";

export const CONTINUE = 0;
export const EXIT = 1;
export type Action = typeof CONTINUE | typeof EXIT;

/** What one action leads to. The return is linear in lambda: reward = correctness - lambda * costShare. */
export interface Outcome {
  /** 1 if the episode ends with the right answer, else 0; between, where only the chance of it is asked for */
  readonly correctness: number;
  /** (c_{k+1} - c_k) / c_{E-1} for `continue`, 0 for `exit` */
  readonly costShare: number;
  /** the episode is over */
  readonly terminal: boolean;
}

/** [N, E] 1 where the likeliest class (the first one at a tie) is the label, else 0. */
export function correctAnswers({ logProbabilities, labels, count, exits, classes }: AnswerTable): Uint8Array {
  const correct = new Uint8Array(count * exits);
  for (let row = 0; row < correct.length; row++)
    correct[row] = largest(logProbabilities, row * classes, classes) === labels[Math.floor(row / exits)] ? 1 : 0;
  return correct;
}

/** [E] accuracy of always leaving at exit k. */
export function exitAccuracies(answers: AnswerTable): number[] {
  return accuraciesOf(correctAnswers(answers), answers.exits);
}

/** [E] the same, told which answers are right. @param correct [N, E] 1 where the exit's answer is right, or the chance that it is */
export function accuraciesOf(correct: Uint8Array | Float32Array, exits: number): number[] {
  const right = new Array<number>(exits).fill(0);
  correct.forEach((one, at) => {
    right[at % exits]! += one;
  });
  return right.map((hits) => hits / (correct.length / exits));
}

/** 1 if the agent may go on, 0 at the last exit: the mask of acting and of the TD target. */
export function mayContinue(exit: number, exits: number): 0 | 1 {
  return exit < exits - 1 ? 1 : 0;
}

/**
 * One step: what `action` at `exit` of image `image` leads to. `continue` leads to exit + 1 of the same image.
 *
 * @param correct [N, E] of `correctAnswers`
 * @param shares [E] c_k / c_{E-1}
 * @throws {RangeError} on `continue` at the last exit
 */
export function step(
  correct: ArrayLike<number>,
  shares: readonly number[],
  image: number,
  exit: number,
  action: Action,
): Outcome {
  if (action === EXIT) return { correctness: correct[image * shares.length + exit]!, costShare: 0, terminal: true };
  if (!mayContinue(exit, shares.length))
    throw new RangeError(`step: action exit expected at the last exit (${exit + 1}), found continue; mask it`);
  return { correctness: 0, costShare: shares[exit + 1]! - shares[exit]!, terminal: false };
}

/** correctness - lambda * costShare */
export function reward({ correctness, costShare }: Pick<Outcome, "correctness" | "costShare">, lambda: number): number {
  return correctness - lambda * costShare;
}

/**
 * What a policy is worth: accuracy - lambda * mean of c_k / c_{E-1}, k being the exit taken.
 * That is the mean return of its episodes minus lambda * c_0 / c_{E-1}, the first exit, which all policies pay.
 *
 * @param chosen [N] exit taken for each image
 * @param correct [N, E]
 * @param shares [E] c_k / c_{E-1}
 */
export function returnOf(
  chosen: ArrayLike<number>,
  correct: ArrayLike<number>,
  shares: readonly number[],
  lambda: number,
): number {
  const exits = shares.length;
  if (chosen.length * exits !== correct.length || chosen.length === 0)
    throw new RangeError(
      `returnOf: one exit for each of ${correct.length / exits} images expected, found ${chosen.length}`,
    );
  let sum = 0;
  for (let i = 0; i < chosen.length; i++) sum += correct[i * exits + chosen[i]!]! - lambda * shares[chosen[i]!]!;
  return sum / chosen.length;
}
