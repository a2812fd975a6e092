/**
 * What a policy's decisions come to. An image's outcome is one of 2 E kinds: the exit where it left, right or wrong. Accuracy
 * and cost depend on nothing but how many images are of each kind, so the figures, their bootstrap resamples, the yardsticks
 * and the trade-off curve are all worked out from that tally.
 * Letters: N images, E exits.
 */
import type { ExitCosts } from "../exits/exit-table.ts";

/** What follows from a tally of outcomes. */
export interface Summary {
  /** 0..1 */
  readonly accuracy: number;
  /** mean over images, MACs */
  readonly costMacs: number;
  /** 1 - mean cost / full cost; negative if the exits cost more than they spare */
  readonly savings: number;
  /** mean of (E - exit) / (E - 1), exit 1..E: the published proxy, which counts exit 1 as free; 0 if there is one exit */
  readonly depthSavings: number;
  /** accuracy in percent x savings */
  readonly effectiveness: number;
  /** accuracy in percent x depth savings: the published effectiveness */
  readonly depthEffectiveness: number;
  /** [E] share of the images that left at each exit, 0..1 */
  readonly exitShares: readonly number[];
}

/**
 * The kind of every image's outcome, [N]: 2 * exit + (1 if that exit's answer is right, else 0).
 *
 * @param exits [N] exit taken, 0..E-1
 * @param correct [N, E] of `correctAnswers`
 * @param exitCount E
 * @throws {RangeError} if there is no image, not one exit per image, or an exit is not below E
 */
export function outcomeKinds(exits: Uint8Array, correct: Uint8Array, exitCount: number): Uint16Array {
  const count = correct.length / exitCount;
  if (count === 0 || exits.length !== count)
    throw new RangeError(
      `evaluation: one exit for each of at least 1 image expected, found ${exits.length} for ${count} images`,
    );
  return Uint16Array.from(exits, (exit, i) => {
    if (exit >= exitCount)
      throw new RangeError(`evaluation: exits of 1..${exitCount} expected, found ${exit + 1} at image ${i}`);
    return 2 * exit + correct[i * exitCount + exit]!;
  });
}

/** How many images are of each kind, [2 E]. @param kinds [N] of `outcomeKinds` */
export function tallyOutcomes(kinds: Uint16Array, exitCount: number): Uint32Array {
  const tally = new Uint32Array(2 * exitCount);
  for (const kind of kinds) tally[kind]!++;
  return tally;
}

/**
 * Accuracy, cost and what is made of them. Whole MACs add up exactly, so the order of the images does not matter.
 *
 * @param tally [2 E] of `tallyOutcomes`, at least one image
 */
export function summarise(tally: Uint32Array, { exitMacs, fullMacs }: ExitCosts): Summary {
  const exits = exitMacs.length;
  let [count, right, macs, skipped] = [0, 0, 0, 0];
  const left = exitMacs.map((cost, exit) => {
    const images = tally[2 * exit]! + tally[2 * exit + 1]!;
    count += images;
    right += tally[2 * exit + 1]!;
    macs += images * cost;
    skipped += images * (exits - 1 - exit);
    return images;
  });
  const accuracy = right / count;
  const savings = 1 - macs / count / fullMacs;
  const depthSavings = exits > 1 ? skipped / (count * (exits - 1)) : 0;
  return {
    accuracy,
    costMacs: macs / count,
    savings,
    depthSavings,
    effectiveness: 100 * accuracy * savings,
    depthEffectiveness: 100 * accuracy * depthSavings,
    exitShares: left.map((images) => images / count),
  };
}

/**
 * What a policy is worth at one lambda: accuracy - lambda * mean cost / cost of the last exit (the `returnOf` of its decisions).
 *
 * @param lastExitMacs cost of the last exit; not the full cost, which has no heads on the way
 */
export function returnAt(
  lambda: number,
  { accuracy, costMacs }: Pick<Summary, "accuracy" | "costMacs">,
  lastExitMacs: number,
): number {
  return accuracy - (lambda * costMacs) / lastExitMacs;
}
