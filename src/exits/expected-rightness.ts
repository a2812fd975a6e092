import { type AnswerTable, largest, negativeLogLikelihood } from "./answers.ts";

/**
 * The chance that each exit's answer is right, given all that was computed:
 *
 *     E[1 if a_k is the label, else 0 | logits] = p_j[a_k],  a_k = arg max p_k
 *
 * where j is the exit whose probabilities tell the labels best. Its mean is the accuracy, if p_j is calibrated, but it varies far less
 * than the 0 or 1 of one label: of 276 images that is the difference between learning and guessing (docs/experiments/agent.md).
 *
 * @param answers of images that the network was not trained on
 * @param judge j
 * @returns [N, E], 0..1
 * @see Blackwell, "Conditional Expectation and Unbiased Sequential Estimation" (1947), for the variance; here p_j is itself fitted, by
 *   two numbers per exit
 */
export function expectedRightness(answers: AnswerTable, judge = bestJudge(answers)): Float32Array {
  const { logProbabilities, count, exits, classes } = answers;
  return Float32Array.from({ length: count * exits }, (_, row) => {
    const answer = largest(logProbabilities, row * classes, classes);
    return Math.exp(logProbabilities[(Math.floor(row / exits) * exits + judge) * classes + answer]!);
  });
}

/** j: the exit under whose probabilities the labels are likeliest; the later one at a tie. */
export function bestJudge(answers: AnswerTable): number {
  const losses = Array.from({ length: answers.exits }, (_, exit) => negativeLogLikelihood(answers, exit));
  return losses.lastIndexOf(Math.min(...losses));
}
