/** What repeated runs say: means, and differences between settings that were run with the same seeds. */
import type { Interval } from "./intervals.ts";

export interface Repeated {
  readonly mean: number;
  /** Sample standard deviation, divided by n - 1; null for one run. */
  readonly std: number | null;
  readonly n: number;
}

/** @throws {RangeError} if there is no value */
export function repeated(values: readonly number[]): Repeated {
  const n = values.length;
  if (n === 0) throw new RangeError("repeated: at least one value expected, found none");
  const mean = values.reduce((sum, one) => sum + one, 0) / n;
  const squares = values.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  return { mean, std: n === 1 ? null : Math.sqrt(squares / (n - 1)), n };
}

/** The 97.5% points of Student's t with 1, 2, .. 30 degrees of freedom. */
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const Z = 1.96;

export interface PairedDifference {
  /** mean of a - b */
  readonly value: number;
  /** 95%; null for a single pair, which has none */
  readonly interval: Interval | null;
  readonly n: number;
}

/**
 * a - b over runs that share a seed, with Student's interval: `mean +- t(n - 1) std / sqrt(n)`. What a seed does to both cancels out.
 *
 * @throws {RangeError} if there is no pair
 * @see Student, "The Probable Error of a Mean" (1908)
 */
export function pairedDifference(pairs: readonly (readonly [a: number, b: number])[]): PairedDifference {
  const { mean, std, n } = repeated(pairs.map(([a, b]) => a - b));
  if (std === null) return { value: mean, interval: null, n };
  const half = ((T[n - 2] ?? Z) * std) / Math.sqrt(n);
  return { value: mean, interval: [mean - half, mean + half], n };
}
