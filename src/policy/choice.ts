/** Agent or thresholds, and at which lambda: chosen on validation, with the reason in words. */
import type { ExitCosts } from "../exits/exit-table.ts";
import { costShares } from "../exits/observation.ts";
import { columnMeans, pairedBootstrap } from "../yardsticks/paired-bootstrap.ts";
import type { OutOfFold } from "./cross-fit.ts";
import type { Decider } from "./decider.ts";

/** Why who decides does. */
export interface Choice {
  readonly reason: string;
  /** What whoever uses the model should know; empty if there is nothing. */
  readonly warnings: readonly string[];
  /** Images of validation. */
  readonly images: number;
  /** R(agent) - R(thresholds), mean over lambdas, each image decided on by what has not seen it. */
  readonly difference: { readonly mean: number; readonly interval: readonly [low: number, high: number] };
}

/** With fewer images an agent's five folds say nothing of the agent. */
export const LEAST_TO_LEARN = 200;

/** [N] the return of each image, mean over the lambdas. @param exits [L] of [N] */
export function meanReturns(
  exits: readonly Uint8Array[],
  correct: Uint8Array,
  shares: readonly number[],
  lambdas: readonly number[],
): Float64Array {
  const returns = new Float64Array(correct.length / shares.length);
  exits.forEach((chosen, l) => {
    chosen.forEach((exit, i) => {
      returns[i]! += (correct[i * shares.length + exit]! - lambdas[l]! * shares[exit]!) / exits.length;
    });
  });
  return returns;
}

/**
 * The agent, unless its paired interval lies below the thresholds', or there are too few images to learn from.
 *
 * @param wanted "auto", or who is to decide whatever the images say
 */
export function chooseDecider(
  outOfFold: Omit<OutOfFold, "expected">,
  costs: ExitCosts,
  lambdas: readonly number[],
  { threshold, wanted, seed }: { threshold: Decider; wanted: "auto" | "dqn" | "threshold"; seed: number },
): { decider: Decider; choice: Choice } {
  const shares = costShares(costs);
  const [agent, thresholds] = [outOfFold.agent, outOfFold.thresholds].map((exits) =>
    meanReturns(exits, outOfFold.correct, shares, lambdas),
  ) as [Float64Array, Float64Array];
  const difference = agent.map((value, i) => value - thresholds[i]!);
  const mean = columnMeans(difference, 1)[0]!;
  const [interval] = pairedBootstrap(difference, 1, (means) => [means[0]!], seed) as [readonly [number, number]];
  const images = difference.length;
  const found = `R ${signed(mean)} (95% ${signed(interval[0])} to ${signed(interval[1])}) on ${images} validation images`;
  const decided = (decider: Decider, reason: string) => ({
    decider,
    choice: { reason, warnings: [], images, difference: { mean, interval } },
  });
  if (wanted !== "auto")
    return decided(wanted === "dqn" ? "dqn" : threshold, `asked for; agent against thresholds: ${found}`);
  if (images < LEAST_TO_LEARN)
    return decided(threshold, `${images} validation images are too few for an agent (at least ${LEAST_TO_LEARN})`);
  if (interval[1] < 0) return decided(threshold, `the agent falls short of the tuned thresholds: ${found}`);
  return decided("dqn", `the agent is not below the tuned thresholds: ${found}`);
}

function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(4)}`;
}
