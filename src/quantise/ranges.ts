/** Which part of what a map holds is given the 256 steps: more of them for what is common, or none clipped. */
import { BINS, type Observed } from "./observe.ts";
import { type Range, stepsOf } from "./steps.ts";

/** Shares of all values between which the range of a percentile lies, the rest clipped at either end alike. */
const PERCENTILES = [0.99999, 0.9999] as const;
/** Ends of the range looked at for the least squared error, as shares of the whole. */
const SHRINKINGS = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.4, 0.3];

/** The ranges to choose from: all of it, percentiles, the least squared error. The first is the safest. */
export function candidateRanges(observed: Observed): Range[] {
  const { min, max } = observed;
  const all = [{ min, max }, ...PERCENTILES.map((share) => percentileRange(observed, share)), leastError(observed)];
  return all.filter((one, i) => all.findIndex((other) => other.min === one.min && other.max === one.max) === i);
}

export function percentileRange({ min, max, histogram }: Observed, share: number): Range {
  const total = histogram.reduce((a, b) => a + b, 0);
  const clipped = ((1 - share) / 2) * total;
  const width = (max - min) / BINS;
  let [low, below] = [0, 0];
  while (low < BINS - 1 && below + histogram[low]! <= clipped) below += histogram[low++]!;
  let [high, above] = [BINS - 1, 0];
  while (high > low && above + histogram[high]! <= clipped) above += histogram[high--]!;
  return { min: min + low * width, max: min + (high + 1) * width };
}

/** The range whose rounding and clipping move the values least, by the mean of their squares. */
export function leastError(observed: Observed): Range {
  const { min, max } = observed;
  let best: { readonly range: Range; readonly error: number } = { range: { min, max }, error: Infinity };
  for (const low of min < 0 ? SHRINKINGS : [1])
    for (const high of max > 0 ? SHRINKINGS : [1]) {
      const range = { min: min * low, max: max * high };
      const error = squaredError(observed, range);
      if (error < best.error) best = { range, error };
    }
  return best.range;
}

/** Sum over all values of (value - rounded value)^2, each value taken for the middle of its bin. */
export function squaredError({ min, max, histogram }: Observed, range: Range): number {
  const { scale, zero } = stepsOf(range);
  const width = (max - min) / BINS;
  let sum = 0;
  for (const [bin, times] of histogram.entries()) {
    if (times === 0) continue;
    const value = min + (bin + 0.5) * width;
    const step = Math.min(255, Math.max(0, Math.round(value / scale) + zero));
    sum += times * (value - scale * (step - zero)) ** 2;
  }
  return sum;
}
