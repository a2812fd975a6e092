import { UserError } from "../errors.ts";
import type { AnswerTable } from "../exits/answers.ts";
import { correctAnswers } from "../exits/environment.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import { lambdaGrid } from "../exits/lambda-grid.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Agent, greedyExits, qValues } from "./agent.ts";

/** What a policy does at one lambda, on validation images that it was not fitted to. */
export interface LambdaPoint {
  readonly lambda: number;
  /** 0..1 */
  readonly accuracy: number;
  readonly meanMacs: number;
  /** 1 - meanMacs / fullMacs: may be negative */
  readonly savings: number;
  /** [E] share of the images that leave at each exit */
  readonly exitShares: readonly number[];
}

/** Points of a sweep: neighbours differ by 8% over the default range of lambda. */
export const SWEEP_POINTS = 101;
/** The accuracy that the recommended lambda may give up. */
const TOLERATED_LOSS = 0.003;

/** The agent over its whole lambda range, lambdas rising. @param answers to images that it was not fitted to */
export async function sweepLambda(
  runtime: Runtime,
  agent: Agent,
  answers: AnswerTable,
  costs: ExitCosts,
  points = SWEEP_POINTS,
): Promise<LambdaPoint[]> {
  const lambdas = lambdaGrid(agent.lambdaRange, points);
  const q = await qValues(runtime, agent, answers, costs, lambdas);
  const correct = correctAnswers(answers);
  return lambdas.map((lambda, i) => lambdaPoint(lambda, greedyExits(q[i]!, agent.exits), correct, costs));
}

/** The figures of one policy at one lambda. @param chosen [N] @param correct [N, E] */
export function lambdaPoint(
  lambda: number,
  chosen: Uint8Array,
  correct: Uint8Array,
  { exitMacs, fullMacs }: ExitCosts,
): LambdaPoint {
  const counts = new Array<number>(exitMacs.length).fill(0);
  let right = 0;
  chosen.forEach((exit, i) => {
    counts[exit]! += 1;
    right += correct[i * exitMacs.length + exit]!;
  });
  const exitShares = counts.map((one) => one / chosen.length);
  const meanMacs = exitShares.reduce((sum, share, k) => sum + share * exitMacs[k]!, 0);
  return { lambda, accuracy: right / chosen.length, meanMacs, savings: 1 - meanMacs / fullMacs, exitShares };
}

/**
 * The smallest lambda whose mean cost is within the budget.
 *
 * @param budget mean cost per image, at most, in `unit`
 * @param unit what the policy's costs count; default "MACs"
 * @throws {UserError} if no lambda of the sweep is that cheap
 */
export function lambdaForBudget(points: readonly LambdaPoint[], budget: number, unit = "MACs"): number {
  const found = points.find(({ meanMacs }) => meanMacs <= budget);
  if (found) return found.lambda;
  const least = Math.min(...points.map(({ meanMacs }) => meanMacs));
  const show = (cost: number): string =>
    unit === "MACs" ? `${(cost / 1e6).toFixed(2)} million MACs` : `${cost.toPrecision(4)} ${unit}`;
  throw new UserError(
    `budget: at least ${show(least)} expected (the cheapest that this policy reaches), found ${show(budget)}; ` +
      "raise the budget",
  );
}

/** The smallest lambda that saves at least this share of the full cost. @throws {UserError} if no lambda of the sweep does */
export function lambdaForSavings(points: readonly LambdaPoint[], savings: number): number {
  const found = points.find((point) => point.savings >= savings);
  if (found) return found.lambda;
  const most = Math.max(...points.map((point) => point.savings));
  throw new UserError(
    `savings: at most ${percent(most)} expected (the most that this policy reaches), found ${percent(savings)}; ` +
      "ask for less",
  );
}

/** The largest lambda whose accuracy is at least this, 0..1. @throws {UserError} if no lambda of the sweep reaches it */
export function lambdaForAccuracy(points: readonly LambdaPoint[], accuracy: number): number {
  const found = points.findLast((point) => point.accuracy >= accuracy);
  if (found) return found.lambda;
  const most = Math.max(...points.map((point) => point.accuracy));
  throw new UserError(
    `accuracy: at most ${percent(most)} expected (the most that this policy reaches), found ${percent(accuracy)}; ` +
      "ask for less",
  );
}

/**
 * The accuracy that each lambda gives up, 0..1, told by the costs alone. V(lambda) = max over policies of (accuracy - lambda * cost
 * share) has the slope -cost share, whatever the policy does to get there (the envelope theorem), so that from 0 to lambda an agent gives up
 *
 *     accuracy(0) - accuracy(lambda) = integral of lambda' d(cost share saved)
 *
 * in words: what it stops paying for at lambda' was worth lambda' by its own reckoning. Here by trapezoids, from lambda 0 with
 * every image at the last exit. No answer is counted: of 2,500 images two policies differ in a dozen, their costs in hundreds.
 *
 * @param points lambdas rising
 * @see Milgrom and Segal, "Envelope Theorems for Arbitrary Choice Sets" (Econometrica 2002), theorem 2
 */
export function accuracyGivenUp(points: readonly LambdaPoint[], { exitMacs }: ExitCosts): number[] {
  const dearest = exitMacs.at(-1)!;
  let before = { lambda: 0, meanMacs: dearest };
  let sum = 0;
  return points.map((point) => {
    sum += (((point.lambda + before.lambda) / 2) * (before.meanMacs - point.meanMacs)) / dearest;
    before = point;
    return sum;
  });
}

/**
 * Whether a lambda keeps its promise: by what it gives up as its costs tell it (see `accuracyGivenUp`) and as its answers do, at most 0.3
 * points of accuracy; and it is worth as much as the best fixed exit at its price.
 *
 * @param accuracies [E] of always leaving at each exit, on the same images
 */
export function keepsPromise(
  points: readonly LambdaPoint[],
  costs: ExitCosts,
  accuracies: readonly number[],
): boolean[] {
  const dearest = costs.exitMacs.at(-1)!;
  const givenUp = accuracyGivenUp(points, costs);
  return points.map((point, at) => {
    const { lambda, accuracy, meanMacs } = point;
    const fixed = Math.max(...accuracies.map((one, k) => one - (lambda * costs.exitMacs[k]!) / dearest));
    const keeps = accuracy - (lambda * meanMacs) / dearest >= fixed - 1e-9;
    return keeps && keepsAccuracy(point, accuracies) && givenUp[at]! <= TOLERATED_LOSS;
  });
}

/** A mean over images, and how far it may be off. */
export interface Estimate {
  readonly mean: number;
  /** Standard error of the mean: deviation / sqrt(N). */
  readonly error: number;
}

/**
 * What stopping gives up of the chance to be right, against going on to where that is highest: mean over images of
 * max_k e[i, k] - e[i, exit taken], each at least 0.
 *
 * @param chosen [N]
 * @param expected [N, E] see `expectedRightness`
 */
export function expectedLoss(chosen: Uint8Array, expected: Float32Array): Estimate {
  const exits = expected.length / chosen.length;
  return estimate(
    Float64Array.from(chosen, (exit, i) => {
      const row = expected.subarray(i * exits, (i + 1) * exits);
      return Math.max(...row) - row[exit]!;
    }),
  );
}

/** Where nothing is sure, an expected loss up to this is put up with. */
const LIKELY_LOSS = 0.01;

/** With one standard error on top, the expected loss is what may be given up: docs/experiments/photographs.md, "Few validation pictures". */
export const isSurelySmall = ({ mean, error }: Estimate): boolean => mean + error <= TOLERATED_LOSS;
export const isLikelySmall = ({ mean }: Estimate): boolean => mean <= LIKELY_LOSS;

/** Whether as many answers are right as of the best fixed exit, but for 0.3 points. @param accuracies [E] */
export function keepsAccuracy({ accuracy }: LambdaPoint, accuracies: readonly number[]): boolean {
  return accuracy >= Math.max(...accuracies) - TOLERATED_LOSS - 1e-9;
}

function estimate(values: Float64Array): Estimate {
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const squares = values.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / Math.max(1, values.length - 1) / values.length) };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
