/** The figures of `bench:policy` as Markdown, and whether what is claimed holds. */
import type { VariantFigures } from "./policy-ablation.ts";
import { average, type Comparison, type Point } from "./policy-returns.ts";
import type { DecideMicros } from "./policy-timing.ts";

export type PolicyBench = Comparison & { readonly decideMicros: DecideMicros };

export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return [titles, titles.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export function comparisonText(figures: PolicyBench): string {
  const { points, seeds } = figures;
  const four = (value: number): string => value.toFixed(4);
  const rows = points.map((one) => {
    const { returns } = one;
    const { dqn, dqnOneLambda, optimal, oracle, bestFixed, patience } = returns;
    const thresholds = [
      returns.thresholdConfidence,
      returns.thresholdMargin,
      returns.thresholdEntropy,
      returns.bestThreshold,
    ];
    return [
      one.lambda.toPrecision(3),
      `${four(dqn.mean)} ± ${four(dqn.std)}`,
      `${four(dqnOneLambda.mean)} ± ${four(dqnOneLambda.std)}`,
      four(optimal.mean),
      four(oracle.mean),
      ...thresholds.map(({ mean }) => four(mean)),
      four(patience.mean),
      four(bestFixed.mean),
      `${(100 * dqn.accuracy).toFixed(2)}%`,
      `${(100 * dqn.savings).toFixed(1)}%`,
      `${one.gain.toFixed(3)} (${one.gainInterval.map((end) => end.toFixed(2)).join(" to ")})`,
    ];
  });
  const titles =
    "lambda,DQN,DQN of one lambda,optimal stopping,oracle,confidence,margin,entropy,chosen of these,patience,best fixed,accuracy,savings,gain";
  return [
    `R = accuracy - lambda * mean cost / full cost on the test images; ${seeds.length} seeds, mean ± std; gain with its 95% interval.`,
    "The environment prices shares of the last exit's cost: its lambda is this one times c_{E-1} / full cost, and R is the same.",
    "Of the three thresholds, the one that is best on the selection half is chosen at each lambda.",
    "",
    markdownTable(titles.split(","), rows),
    "",
    ...claims(figures).map(({ text, holds }) => `- ${holds ? "holds" : "MISSED"}: ${text}`),
  ].join("\n");
}

export interface Claim {
  readonly text: string;
  readonly holds: boolean;
}

/** What is claimed of the agent, with the figures that say whether it is so. */
export function claims({ points, average: means, pooledGain, trainSeconds, decideMicros }: PolicyBench): Claim[] {
  const { gain, aboveThresholds, aboveOneLambda } = means;
  const worst = <T>(of: (point: Point) => T): T[] => points.map(of);
  const costs = points.map(({ returns }) => 1 - returns.dqn.savings);
  const between = ([low, high]: readonly [number, number], digits: number): string =>
    `95% ${low.toFixed(digits)} to ${high.toFixed(digits)}`;
  return [
    {
      text: `gain is at least 0.95 on average: ${gain.mean.toFixed(3)} (${between(gain.interval, 3)})`,
      holds: gain.mean >= 0.95,
    },
    {
      text: `the gain of the mean returns is at least 0.95: ${pooledGain.mean.toFixed(3)} (${between(pooledGain.interval, 3)})`,
      holds: pooledGain.mean >= 0.95,
    },
    {
      text: `gain is at least 0.9 at each lambda, or within its interval: least ${Math.min(...worst((one) => one.gain)).toFixed(3)}`,
      holds: points.every((one) => Math.max(one.gain, one.gainInterval[1]) >= 0.9),
    },
    {
      text: `R(DQN) is at least that of the best tuned threshold at each lambda, within the interval: least difference ${Math.min(...worst((one) => one.aboveThresholds)).toFixed(4)}`,
      holds: points.every((one) => Math.max(one.aboveThresholds, one.aboveThresholdsInterval[1]) >= 0),
    },
    {
      text: `and above it on average: ${aboveThresholds.mean.toFixed(4)} (${between(aboveThresholds.interval, 4)}); against the best of three on the test images, chosen afterwards: ${aboveBestOfThree(points).toFixed(4)}`,
      holds: aboveThresholds.mean > 0,
    },
    {
      text: `the agent for all lambdas is within 0.001 of those of one lambda on average: ${aboveOneLambda.mean.toFixed(4)} (${between(aboveOneLambda.interval, 4)})`,
      holds: aboveOneLambda.mean >= -0.001,
    },
    {
      text: `mean cost falls as lambda rises: ${costs.map((cost) => `${(100 * cost).toFixed(1)}%`).join(", ")} of the full cost`,
      holds: costs.every((cost, l) => l === 0 || cost < costs[l - 1]!),
    },
    { text: `learning takes less than 60 s: ${trainSeconds.toFixed(1)} s`, holds: trainSeconds < 60 },
    {
      text: `deciding takes less than 20 us for one image: ${decideMicros.one.toFixed(1)} us`,
      holds: decideMicros.one < 20,
    },
    {
      text: `and less than 1 us an image at batch 256: ${decideMicros.batch256.toFixed(2)} us (by itself ${decideMicros.alone.batch256.toFixed(2)} us)`,
      holds: decideMicros.batch256 < 1,
    },
  ];
}

/** The best of three draws is better than each of them: what chance gives it, a single policy has not. */
function aboveBestOfThree(points: readonly Point[]): number {
  const above = points.map(({ returns }) => {
    const { dqn, thresholdConfidence, thresholdMargin, thresholdEntropy } = returns;
    return dqn.mean - Math.max(thresholdConfidence.mean, thresholdMargin.mean, thresholdEntropy.mean);
  });
  return average(above);
}

export function ablationText(figures: readonly VariantFigures[], seeds: readonly number[]): string {
  const signed = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(4)}`;
  return [
    `Mean held-out return over nine lambdas and ${seeds.length} seeds, each with a split of validation of its own.`,
    "",
    markdownTable(
      ["variant", "return", "difference", "std over seeds"],
      figures.map(({ name, mean, difference, std }) => [name, mean.toFixed(4), signed(difference), std.toFixed(4)]),
    ),
  ].join("\n");
}
