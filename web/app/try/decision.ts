/** What is decided at an exit, and why, in words. */
import type { ExitTrace } from "earlyexit/web";
import type { ModelFacts } from "../protocol.ts";

/** Q-values are an agent's; where thresholds decide, they are the score of the exit and the threshold that it is held against. */
export function decisionText(trace: ExitTrace, { costs, decider }: Pick<ModelFacts, "costs" | "decider">): string {
  const { exit, exited, qExit, qContinue } = trace;
  if (qExit === null || qContinue === null) return "The last exit: nothing is left to decide.";
  const verdict = exited ? "It leaves here" : "It goes on";
  if (decider !== "dqn") {
    const score = decider.slice("threshold:".length);
    const sign = score === "entropy" ? -1 : 1; // entropy is to be low: its sign is turned inside
    const [value, threshold] = [sign * qExit, sign * qContinue].map((one) => one.toFixed(3));
    return `${verdict}: a ${score} of ${value} ${exited ? "reaches" : "misses"} the threshold of ${threshold}.`;
  }
  const times = (costs.exitMacs[exit]! / costs.exitMacs[exit - 1]!).toFixed(1);
  return exited
    ? `${verdict}: going on would cost ${times} times as much and was expected to bring less than its price.`
    : `${verdict}: the next exit costs ${times} times as much and was expected to be worth it.`;
}
