import type { AnswerTable } from "../exits/answers.ts";
import { correctAnswers } from "../exits/environment.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import type { Yardstick } from "../yardsticks/yardstick.ts";
import { outcomeKinds, returnAt, type Summary, summarise, tallyOutcomes } from "./outcome.ts";

/** What a yardstick reaches. */
export interface YardstickFigures {
  readonly name: string;
  /** 0..1 */
  readonly accuracy: number;
  /** 1 - mean cost / full cost */
  readonly savings: number;
  /** mean over images */
  readonly costMacs: number;
  /** accuracy - lambda * mean cost / cost of the last exit */
  readonly return: number;
}

/** One point of the trade-off between accuracy and cost. */
export interface TradeOffPoint {
  readonly lambda: number;
  /** 0..1 */
  readonly accuracy: number;
  /** mean over images */
  readonly costMacs: number;
  /** 1 - mean cost / full cost */
  readonly savings: number;
  /** [E] */
  readonly exitShares: readonly number[];
}

/**
 * What every yardstick reaches on a table, in the order given.
 *
 * @param answers to images that no yardstick was fitted on
 * @param lambda price of the last exit, in units of one correct answer
 * @throws {RangeError} if a yardstick does not decide on one exit of 0..E-1 for each image
 */
export async function evaluateYardsticks(
  yardsticks: readonly Yardstick[],
  answers: AnswerTable,
  costs: ExitCosts,
  lambda: number,
): Promise<YardstickFigures[]> {
  const correct = correctAnswers(answers);
  const figures: YardstickFigures[] = [];
  for (const yardstick of yardsticks) {
    const reached = summaryOf(await yardstick.decide(answers), correct, costs);
    figures.push({
      name: yardstick.name,
      accuracy: reached.accuracy,
      savings: reached.savings,
      costMacs: reached.costMacs,
      return: returnAt(lambda, reached, costs.exitMacs.at(-1)!),
    });
  }
  return figures;
}

/**
 * What a policy reaches at each lambda, in the order given: the dial, point by point.
 *
 * @param exitsAt the policy's decisions [N] on these answers at one lambda
 * @throws {RangeError} if `exitsAt` does not return one exit of 0..E-1 for each image
 */
export async function tradeOffCurve(
  lambdas: readonly number[],
  exitsAt: (lambda: number) => Uint8Array | Promise<Uint8Array>,
  answers: AnswerTable,
  costs: ExitCosts,
): Promise<TradeOffPoint[]> {
  const correct = correctAnswers(answers);
  const points: TradeOffPoint[] = [];
  for (const lambda of lambdas) {
    const { accuracy, costMacs, savings, exitShares } = summaryOf(await exitsAt(lambda), correct, costs);
    points.push({ lambda, accuracy, costMacs, savings, exitShares });
  }
  return points;
}

/** @param exits [N] @param correct [N, E] */
function summaryOf(exits: Uint8Array, correct: Uint8Array, costs: ExitCosts): Summary {
  const exitCount = costs.exitMacs.length;
  return summarise(tallyOutcomes(outcomeKinds(exits, correct, exitCount), exitCount), costs);
}
