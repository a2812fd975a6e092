/** Why an image left where it did, in numbers and words. */
import type { Decider } from "../policy/decider.ts";
import type { ExitTrace, StoppedBy } from "./classification.ts";

/**
 * One sentence, for example: "left at exit 1: 89% sure; going on costs 4.2 times as much and was expected to be worth less than its
 * price (0.886 against 0.897)". Both numbers are Q-values: the chance of a right answer, minus the price still to pay. Where thresholds
 * decide, they are the exit's score and the threshold.
 *
 * @param last where the image left
 * @param exitMacs [E] what leaving at each exit costs
 * @param decider who decides; default: the agent
 */
export function reasonOf(
  last: ExitTrace,
  stoppedBy: StoppedBy,
  exitMacs: readonly number[],
  decider: Decider = "dqn",
): string {
  const { exit, confidence, qExit, qContinue } = last;
  const sure = `${percent(confidence)} sure`;
  if (qExit === null || qContinue === null)
    return `went to the last exit, ${exit}: ${sure}; there is nothing behind it`;
  const times = `${(exitMacs[exit]! / exitMacs[exit - 1]!).toFixed(1)} times as much`;
  if (decider !== "dqn") return thresholdReason(last, stoppedBy, decider.slice("threshold:".length), sure);
  const values = `(${qContinue.toFixed(3)} against ${qExit.toFixed(3)})`;
  if (stoppedBy === "deadline")
    return `left at exit ${exit}: ${sure}; the agent wanted to go on ${values}, but the next stage would probably have come too late`;
  return `left at exit ${exit}: ${sure}; going on costs ${times} and was expected to be worth less than its price ${values}`;
}

/** Entropy, which is to be low, has its sign turned inside. */
function thresholdReason({ exit, qExit, qContinue }: ExitTrace, by: StoppedBy, score: string, sure: string): string {
  const sign = score === "entropy" ? -1 : 1;
  const [value, threshold] = [sign * qExit!, sign * qContinue!].map((one) => one.toFixed(3));
  const here = `left at exit ${exit}: ${sure}; its ${score} of ${value}`;
  if (by === "deadline")
    return `${here} misses the threshold of ${threshold}, but the next stage would probably have come too late`;
  return `${here} reaches the threshold of ${threshold}`;
}

/** Rounded down, so that nothing but certainty is called 100%. */
function percent(share: number): string {
  return share >= 0.995 && share < 1 ? "over 99%" : `${Math.round(100 * share)}%`;
}
