import type { ExitCosts } from "../exits/exit-table.ts";
import { integer, seededRandom } from "../random.ts";
import { summarise } from "./outcome.ts";

/** A 95% confidence interval, in the unit of its figure. */
export type Interval = readonly [low: number, high: number];

/** The 97.5% point of the standard normal distribution. */
const Z = 1.959963984540054;
const RESAMPLES = 1000;
/** First part of the generator's key: these numbers are nobody else's. */
const PURPOSE = 0xb007;

/**
 * 95% interval of a share of which `hits` of `count` trials were seen:
 *
 *     (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),  p = hits / n
 *
 * Unlike p +- z sqrt(p (1 - p) / n) it stays in 0..1 and does not shrink to a point at 0 or n hits.
 *
 * @throws {RangeError} if `count` is below 1 or `hits` is not in 0..count
 * @see Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927)
 */
export function wilsonInterval(hits: number, count: number): Interval {
  if (!(count >= 1 && hits >= 0 && hits <= count))
    throw new RangeError(`wilsonInterval: 0 to ${count} hits of at least 1 expected, found ${hits} of ${count}`);
  const p = hits / count;
  const middle = p + (Z * Z) / (2 * count);
  const half = Z * Math.sqrt((p * (1 - p)) / count + (Z * Z) / (4 * count * count));
  const scale = 1 + (Z * Z) / count;
  // at 0 and at n hits one end is 0 or 1 but for rounding
  return [hits === 0 ? 0 : (middle - half) / scale, hits === count ? 1 : (middle + half) / scale];
}

/** 95% intervals of the figures that depend on which images were drawn. */
export interface OutcomeIntervals {
  readonly accuracy: Interval;
  /** MACs */
  readonly costMacs: Interval;
  readonly savings: Interval;
  readonly effectiveness: Interval;
}

/**
 * Percentile bootstrap over images: N of the N images are drawn with replacement, 1000 times; the interval of a figure goes
 * from the 2.5% to the 97.5% quantile of its 1000 values. The decisions are kept: the policy is not learned anew, so the
 * intervals say how far the figures would move on other images, not in another training.
 *
 * @param kinds [N] of `outcomeKinds`
 * @param seed the same seed gives the same intervals
 * @see Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979)
 */
export function bootstrapIntervals(kinds: Uint16Array, costs: ExitCosts, seed: number): OutcomeIntervals {
  const random = seededRandom(PURPOSE, seed);
  const tally = new Uint32Array(2 * costs.exitMacs.length);
  const accuracy = new Float64Array(RESAMPLES);
  const costMacs = new Float64Array(RESAMPLES);
  const savings = new Float64Array(RESAMPLES);
  const effectiveness = new Float64Array(RESAMPLES);
  for (let resample = 0; resample < RESAMPLES; resample++) {
    tally.fill(0);
    for (let i = 0; i < kinds.length; i++) tally[kinds[integer(random, 0, kinds.length - 1)]!]!++;
    const drawn = summarise(tally, costs);
    accuracy[resample] = drawn.accuracy;
    costMacs[resample] = drawn.costMacs;
    savings[resample] = drawn.savings;
    effectiveness[resample] = drawn.effectiveness;
  }
  return {
    accuracy: middle95(accuracy),
    costMacs: middle95(costMacs),
    savings: middle95(savings),
    effectiveness: middle95(effectiveness),
  };
}

function middle95(values: Float64Array): Interval {
  const sorted = values.toSorted();
  return [quantile(sorted, 0.025), quantile(sorted, 0.975)];
}

/** The value at position share * (n - 1) of sorted values, linear between two. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (high - low) * (position - below);
}
