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

/** Far more than validation pictures differ by chance. */
const FALLEN = 0.05;

/**
 * What the user should know of a training that ended far below its best look at validation; null if it did not.
 *
 * @param looks at what epoch, and the mean accuracy of the exits, 0..1, in order
 */
export function fallenApart(looks: readonly { readonly epoch: number; readonly accuracy: number }[]): string | null {
  const [last, best] = [looks.at(-1), [...looks].sort((a, b) => b.accuracy - a.accuracy)[0]];
  if (!last || !best || best.accuracy - last.accuracy <= FALLEN) return null;
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  return (
    `warning: the training fell apart: on validation the exits were right for ${percent(best.accuracy)} after epoch ${best.epoch.toFixed(1)}, ` +
    `at the end for ${percent(last.accuracy)}; lower the learning rate, or give fewer --epochs`
  );
}
