/** Several runs on the same images: what each reaches, their mean and spread, and each one's distance to the first. */
import { columnMeans, pairedBootstrap } from "../yardsticks/paired-bootstrap.ts";
import type { Difference } from "./comparison.ts";
import type { PolicyCurve } from "./details.ts";
import { type Repeated, repeated } from "./repeated.ts";

/** What came of one run. */
export interface RunOutcome {
  readonly name: string;
  readonly seed: number;
  readonly lambda: number;
  /** [N] 1 where the answer of the exit taken is right, else 0 */
  readonly right: Uint8Array;
  /** [N] cost of the exit taken */
  readonly costs: Float64Array;
  /** What the network without exits would cost. */
  readonly fullCost: number;
  /** What decides in it, over all lambdas. */
  readonly curve: PolicyCurve;
}

export interface ComparedRun extends Pick<RunOutcome, "name" | "seed" | "lambda" | "curve"> {
  /** 0..1 */
  readonly accuracy: number;
  /** Mean over images. */
  readonly cost: number;
  /** 1 - mean cost / full cost */
  readonly savings: number;
  /** This one minus the first, on the same images, with 95% intervals; absent for the first. */
  readonly minusFirst?: { readonly accuracy: Difference; readonly savings: Difference };
}

export interface RunsComparison {
  /** N */
  readonly samples: number;
  readonly runs: readonly ComparedRun[];
  /** Over the runs. */
  readonly accuracy: Repeated;
  readonly savings: Repeated;
}

/**
 * Intervals are paired: a resample draws an image with what all runs made of it. They say how sure a difference between these networks is,
 * not how much another seed would change: that is what the deviation over seeds says.
 *
 * @param seed of the intervals
 * @throws {RangeError} if there is no run, or they are not about as many images
 */
export function compareRuns(outcomes: readonly RunOutcome[], seed = 1): RunsComparison {
  const samples = outcomes[0]?.right.length ?? 0;
  const other = outcomes.find(({ right, costs }) => right.length !== samples || costs.length !== samples);
  if (samples === 0 || other)
    throw new RangeError(
      `compareRuns: runs on the same images expected, found ${other?.right.length ?? 0} and ${samples}`,
    );
  const columns = 2 * outcomes.length;
  const values = new Float64Array(samples * columns); // [N, 2 R]: right or not, cost as a share of the full one
  for (const [r, { right, costs, fullCost }] of outcomes.entries())
    for (let i = 0; i < samples; i++) {
      values[i * columns + 2 * r] = right[i]!;
      values[i * columns + 2 * r + 1] = costs[i]! / fullCost;
    }
  const differences = (means: Float64Array): number[] =>
    outcomes.flatMap((_, r) => [means[2 * r]! - means[0]!, means[1]! - means[2 * r + 1]!]);
  const means = columnMeans(values, columns);
  const found = differences(means);
  const intervals = pairedBootstrap(values, columns, differences, seed);
  const at = (s: number): Difference => ({ value: found[s]!, interval: intervals[s]! });
  const runs = outcomes.map(({ name, seed, lambda, curve, fullCost }, r): ComparedRun => {
    const share = means[2 * r + 1]!;
    const reached = { accuracy: means[2 * r]!, cost: share * fullCost, savings: 1 - share };
    const minusFirst = { accuracy: at(2 * r), savings: at(2 * r + 1) };
    return { name, seed, lambda, ...reached, ...(r > 0 ? { minusFirst } : {}), curve };
  });
  return {
    samples,
    runs,
    accuracy: repeated(runs.map((run) => run.accuracy)),
    savings: repeated(runs.map((run) => run.savings)),
  };
}
