import type { Recipe } from "./recipe.ts";

/**
 * Whether a training has stopped getting better: the last `looks` looks at validation are none of them above the best one before.
 *
 * @param accuracies of every look so far, in order
 * @param progress share of the training that is done, 0..1
 */
export function hasStalled({ earlyEnd }: Recipe, accuracies: readonly number[], progress: number): boolean {
  if (!earlyEnd || progress < earlyEnd.after || accuracies.length <= earlyEnd.looks) return false;
  const best = Math.max(...accuracies.slice(0, -earlyEnd.looks));
  return accuracies.slice(-earlyEnd.looks).every((one) => one <= best);
}
