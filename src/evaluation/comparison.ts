import type { AnswerTable } from "../exits/answers.ts";
import { correctAnswers } from "../exits/environment.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import { columnMeans, pairedBootstrap } from "../yardsticks/paired-bootstrap.ts";
import type { Yardstick } from "../yardsticks/yardstick.ts";
import type { Interval } from "./intervals.ts";
import { outcomeKinds, returnAt, type Summary, summarise, tallyOutcomes } from "./outcome.ts";

/** A difference on the same images, with its 95% interval: paired bootstrap over images. */
export interface Difference {
  readonly value: number;
  readonly interval: Interval;
}

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
  /** This one minus the agent ("dqn"), on the same images; absent for the agent itself, and where there is none to compare with. */
  readonly minusAgent?: { readonly accuracy: Difference; readonly savings: Difference; readonly return: Difference };
  /** What was found on the validation images; see `Yardstick`. Thresholds of 1e9 and -1e9 are always or never reached. */
  readonly fitted?: Yardstick["fitted"];
  /** It is what decides in the model, chosen on validation. */
  readonly chosen?: true;
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
 * @param seed of the intervals
 * @throws {RangeError} if a yardstick does not decide on one exit of 0..E-1 for each image
 */
export async function evaluateYardsticks(
  yardsticks: readonly Yardstick[],
  answers: AnswerTable,
  costs: ExitCosts,
  lambda: number,
  seed = 0,
): Promise<YardstickFigures[]> {
  const correct = correctAnswers(answers);
  const decisions: Uint8Array[] = [];
  for (const yardstick of yardsticks) decisions.push(await yardstick.decide(answers));
  const figures = yardsticks.map(({ name, fitted }, y): YardstickFigures => {
    const { accuracy, savings, costMacs, ...reached } = summaryOf(decisions[y]!, correct, costs);
    const worth = returnAt(lambda, { ...reached, accuracy, costMacs }, costs.exitMacs.at(-1)!);
    return { name, accuracy, savings, costMacs, return: worth, ...(fitted ? { fitted } : {}) };
  });
  const agent = yardsticks.findIndex(({ name }) => name === AGENT);
  if (agent < 0) return figures;
  const differences = differencesFrom(agent, decisions, correct, costs, lambda, seed);
  return figures.map((one, y) => (y === agent ? one : { ...one, minusAgent: differences[y]! }));
}

/** What the agent is called among its yardsticks. */
const AGENT = "dqn";

/** [Y] of each policy minus one of them, a resample being drawn for all of them at once. @param decisions [Y] of [N] */
function differencesFrom(
  agent: number,
  decisions: readonly Uint8Array[],
  correct: Uint8Array,
  { exitMacs, fullMacs }: ExitCosts,
  lambda: number,
  seed: number,
): NonNullable<YardstickFigures["minusAgent"]>[] {
  const [exits, columns] = [exitMacs.length, 2 * decisions.length];
  const count = correct.length / exits;
  const values = new Float64Array(count * columns); // [N, 2 Y]: right or not, cost
  for (const [y, taken] of decisions.entries())
    for (let i = 0; i < count; i++) {
      values[i * columns + 2 * y] = correct[i * exits + taken[i]!]!;
      values[i * columns + 2 * y + 1] = exitMacs[taken[i]!]!;
    }
  const compare = (means: Float64Array): number[] =>
    decisions.flatMap((_, y) => {
      const accuracy = means[2 * y]! - means[2 * agent]!;
      const costMacs = means[2 * y + 1]! - means[2 * agent + 1]!;
      return [accuracy, (0 - costMacs) / fullMacs, returnAt(lambda, { accuracy, costMacs }, exitMacs.at(-1)!)];
    });
  const found = compare(columnMeans(values, columns));
  const intervals = pairedBootstrap(values, columns, compare, seed);
  const at = (s: number): Difference => ({ value: found[s]!, interval: intervals[s]! });
  return decisions.map((_, y) => ({ accuracy: at(3 * y), savings: at(3 * y + 1), return: at(3 * y + 2) }));
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
