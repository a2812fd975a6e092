/** What figures come to, in one or two plain sentences: what a person reads first. */
import type { YardstickFigures } from "../evaluation/comparison.ts";
import type { EvaluationFigures } from "../evaluation/figures.ts";
import type { BenchmarkFigures } from "../measure/benchmark-figures.ts";
import { formatCount, formatDecimal, formatPercent } from "./format.ts";
import { policyName } from "./names.ts";

/**
 * How right against the whole network (its last exit), at which part of its cost, and what the best tuned threshold reaches. "As
 * right as" and "nothing tells them apart" are said where the 95% interval of the paired difference holds 0.
 */
export function verdict(figures: EvaluationFigures): string {
  const { accuracy, costMacs, exits, policy, yardsticks } = figures;
  const last = yardsticks.find(({ name }) => name === `exit:${exits.length}`);
  const whole = exits.at(-1)!.accuracyIfAlways;
  const against = `${hundred(accuracy)} against ${formatPercent(whole)}`;
  const cost = `at ${formatPercent(costMacs.mean / costMacs.full, 0)} of its cost`;
  if (policy.name !== "dqn") {
    const isChosen = yardsticks.some(({ name, chosen }) => chosen && name === policy.name);
    const why = isChosen && figures.choice ? ` It decides in place of the agent: ${figures.choice.reason}.` : "";
    return `${capital(policyName(policy.name))}: ${against} of the whole network, ${cost}.${why}`;
  }
  const threshold = bestThreshold(yardsticks);
  const beside = threshold ? [thresholdSentence(threshold, costMacs.full)] : [];
  return [`${rightness(last, whole - accuracy)} the whole network (${against}) ${cost}.`, ...beside].join(" ");
}

/** @param lost accuracy of the whole network minus the agent's */
function rightness(last: YardstickFigures | undefined, lost: number): string {
  const interval = last?.minusAgent?.accuracy.interval;
  if (interval && interval[0] <= 0 && interval[1] >= 0) return "As right as";
  const points = `${(100 * Math.abs(lost)).toFixed(1)} points`;
  if (lost === 0) return "As often right as";
  return lost > 0 ? `Right ${points} less often than` : `Right ${points} more often than`;
}

/** By what it tries to raise, as the agent does. */
function bestThreshold(yardsticks: readonly YardstickFigures[]): YardstickFigures | null {
  const thresholds = yardsticks.filter(({ name }) => name.startsWith("threshold:"));
  return thresholds.reduce<YardstickFigures | null>(
    (best, one) => (best && best.return >= one.return ? best : one),
    null,
  );
}

function thresholdSentence({ accuracy, costMacs, minusAgent }: YardstickFigures, full: number): string {
  const reached = `The best tuned threshold: ${formatPercent(accuracy)} at ${formatPercent(costMacs / full, 0)}`;
  if (!minusAgent) return `${reached}.`;
  const [low, high] = minusAgent.return.interval;
  if (low > 0) return `${reached}, which is worth more than what the agent does.`;
  return high < 0
    ? `${reached}, which is worth less than what the agent does.`
    : `${reached}; at this price nothing tells the two apart.`;
}

/** How many more images a second than the whole network answers, one at a time, at the recommended lambda. */
export function benchVerdict({ full, adaptive, lambda }: BenchmarkFigures): string {
  const own =
    adaptive.find((one) => one.batch === 1 && one.lambda === lambda) ?? adaptive.find(({ batch }) => batch === 1)!;
  const { meanMs } = full.find(({ batch }) => batch === 1)!;
  const times = formatDecimal(meanMs / own.meanMs, 1);
  return (
    `One picture at a time: ${times} times as many pictures per second as the whole network ` +
    `(${formatCount(Math.round(own.imagesPerSecond))} against ${formatCount(Math.round(1000 / meanMs))}), ` +
    `${formatPercent(own.accuracy)} of them answered rightly, at ${formatPercent(1 - own.macSavings, 0)} of its MACs.`
  );
}

/** "89.6" of 0.896: the percent sign stands behind the number that follows. */
function hundred(share: number): string {
  return (100 * share).toFixed(1);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
