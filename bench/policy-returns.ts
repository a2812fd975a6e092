/**
 * What every policy is worth at nine prices, on images that none of them has seen.
 *
 *     R(policy) = accuracy - lambda * mean cost / full cost
 *
 * The environment counts cost in shares of the last exit (c_{E-1}), which costs more than the full network by the heads on the
 * way. So a policy asked for lambda * c_{E-1} / full cost in the environment's unit maximises exactly R.
 * Letters: N images, E exits, L lambdas, P policies.
 */

import { type AnswerTable, answersOf, fitAnswers } from "../src/exits/answers.ts";
import { correctAnswers, returnOf } from "../src/exits/environment.ts";
import { type Episodes, prepareEpisodes } from "../src/exits/episodes.ts";
import type { ExitCosts, ExitTable } from "../src/exits/exit-table.ts";
import { costShares } from "../src/exits/observation.ts";
import { greedyExits, qValues } from "../src/policy/agent.ts";
import { DQN_DEFAULTS, type DqnOptions, trainAgent } from "../src/policy/dqn.ts";
import { lambdaPoint } from "../src/policy/lambda-calibration.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { solveStopping, stoppingExits } from "../src/yardsticks/optimal-stopping.ts";
import { columnMeans, pairedBootstrap } from "../src/yardsticks/paired-bootstrap.ts";
import { prepareYardsticks, type YardstickProblem } from "../src/yardsticks/yardstick.ts";
import { yardsticksFor } from "../src/yardsticks/yardsticks.ts";

const SAVINGS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8] as const;
/** In place of those that no price leads to: early exits that are as good as the last one are taken for nothing. */
const SUBSTITUTES = [0.45, 0.55, 0.65, 0.75, 0.35, 0.25, 0.15, 0.625, 0.575, 0.675, 0.725] as const;
/** Where lambdas are looked for, in the environment's unit. */
const SEARCHED = { from: 1e-3, to: 4 };
const CLOSE_ENOUGH = 0.005;
/** Farther from what is wanted than this, a price counts as not found. */
const ABOUT = 0.025;
const HALVINGS = 9;

export interface Tables {
  /** the two halves of validation */
  readonly fit: ExitTable;
  readonly selection: ExitTable;
  readonly test: ExitTable;
  readonly costs: ExitCosts;
}

export interface Price {
  /** of the full network, in units of one correct answer */
  readonly lambda: number;
  /** the same for the environment: lambda * c_{E-1} / full cost */
  readonly environmentLambda: number;
  /** what optimal stopping saves there, on the selection half */
  readonly savings: number;
  readonly wantedSavings: number;
}

export const POLICIES = [
  "dqn",
  "dqnOneLambda",
  "optimal",
  "oracle",
  "thresholdConfidence",
  "thresholdMargin",
  "thresholdEntropy",
  /** At each lambda that of the three which is best on the selection half: as for every policy, the test images choose nothing. */
  "bestThreshold",
  "patience",
  "bestFixed",
] as const;
type PolicyName = (typeof POLICIES)[number];

export interface Worth {
  /** of R, over seeds; what has no seed has std 0 */
  readonly mean: number;
  readonly std: number;
  /** 0..1, mean over seeds */
  readonly accuracy: number;
  /** 1 - mean cost / full cost, mean over seeds */
  readonly savings: number;
}

type Interval = readonly [low: number, high: number];

export interface Point extends Price {
  readonly returns: Readonly<Record<PolicyName, Worth>>;
  /** (R(dqn) - R(best fixed)) / (R(optimal) - R(best fixed)) */
  readonly gain: number;
  /** 95%, paired bootstrap over images */
  readonly gainInterval: Interval;
  /** R(dqn) - R(bestThreshold) */
  readonly aboveThresholds: number;
  readonly aboveThresholdsInterval: Interval;
}

export interface Comparison {
  readonly seeds: readonly number[];
  readonly lambdas: readonly number[];
  readonly points: readonly Point[];
  /** means over the lambdas, with their intervals */
  readonly average: Readonly<
    Record<"gain" | "aboveThresholds" | "aboveOneLambda", { mean: number; interval: Interval }>
  >;
  /**
   * The gain of the mean returns: sum of (R(dqn) - R(best fixed)) / sum of (R(optimal) - R(best fixed)). Unlike the mean of the
   * gains it is not governed by a lambda at which there is next to nothing to gain.
   */
  readonly pooledGain: { mean: number; interval: Interval };
  /** of one conditioned agent: the slowest of the seeds */
  readonly trainSeconds: number;
}

/**
 * The prices at which optimal stopping, fitted on the fit half, saves about so much of the full cost on the selection half,
 * rising. Where no price of the range searched does, one of the substitutes takes its place.
 */
export async function pricesFor(
  problem: YardstickProblem,
  selection: Episodes,
  wanted: readonly number[] = SAVINGS,
  substitutes: readonly number[] = SUBSTITUTES,
): Promise<Price[]> {
  const { costs } = problem;
  const share = costs.exitMacs.at(-1)! / costs.fullMacs;
  const known: { lambda: number; savings: number }[] = [];
  const look = (lambda: number) => {
    const exits = stoppingExits(selection, solveStopping(problem.stopping, lambda));
    const { savings } = lambdaPoint(lambda, exits, selection.correct, costs);
    known.push({ lambda, savings });
    known.sort((a, b) => a.lambda - b.lambda);
  };
  look(SEARCHED.from);
  look(SEARCHED.to);
  const prices = new Map<number, Price>();
  for (const wantedSavings of [...wanted, ...substitutes]) {
    if (prices.size === wanted.length) break;
    const nearest = () =>
      known.reduce((a, b) => (Math.abs(b.savings - wantedSavings) < Math.abs(a.savings - wantedSavings) ? b : a));
    for (let n = 0; n < HALVINGS && Math.abs(nearest().savings - wantedSavings) > CLOSE_ENOUGH; n++) {
      const above = known.findIndex(({ savings }) => savings > wantedSavings);
      if (above < 1) break; // not within the range searched
      look(Math.sqrt(known[above - 1]!.lambda * known[above]!.lambda));
    }
    const { lambda, savings } = nearest();
    if (Math.abs(savings - wantedSavings) > ABOUT) continue;
    prices.set(lambda, { lambda: lambda / share, environmentLambda: lambda, savings, wantedSavings });
  }
  return [...prices.values()].sort((a, b) => a.lambda - b.lambda);
}

/** [N] exits, once per seed. */
type Decisions = readonly Uint8Array[];

export async function compare(
  runtime: Runtime,
  tables: Tables,
  seeds: readonly number[],
  options: Partial<DqnOptions>,
  oneLambdaOptions: Partial<DqnOptions>,
  say: (text: string) => void,
): Promise<Comparison> {
  const { fit, selection, costs } = tables;
  const rule = fitAnswers(fit); // that of every agent, too
  const [selected, test] = [answersOf(selection, rule), answersOf(tables.test, rule)];
  const problem = await prepareYardsticks(runtime, answersOf(fit, rule), costs);
  const prices = await pricesFor(problem, await prepareEpisodes(runtime, selected, costs));
  const asked = prices.map(({ environmentLambda }) => environmentLambda);
  say(`lambdas ${prices.map(({ lambda }) => lambda.toPrecision(3)).join(", ")}`);
  const { from, to } = DQN_DEFAULTS.lambdaRange;
  const lambdaRange = { from: Math.min(from, ...asked), to: Math.max(to, ...asked) };

  const conditioned: Uint8Array[][] = asked.map(() => []); // [L] of [seeds]
  const seconds: number[] = [];
  for (const seed of seeds) {
    const begun = performance.now();
    const { agent } = await trainAgent(runtime, fit, selection, costs, { ...options, lambdaRange, seed });
    seconds.push((performance.now() - begun) / 1000);
    const q = await qValues(runtime, agent, test, costs, asked);
    for (const [l, values] of q.entries()) conditioned[l]!.push(greedyExits(values, test.exits));
    say(`agent of seed ${seed}: ${seconds.at(-1)!.toFixed(1)} s`);
  }
  const decisions: Record<PolicyName, Decisions>[] = [];
  for (const [l, lambda] of asked.entries()) {
    const single: Uint8Array[] = [];
    for (const seed of seeds) {
      const range = { from: lambda, to: lambda };
      const { agent } = await trainAgent(runtime, fit, selection, costs, {
        ...options,
        ...oneLambdaOptions,
        lambdaRange: range,
        seed,
      });
      const [q] = await qValues(runtime, agent, test, costs, [lambda]);
      single.push(greedyExits(q!, test.exits));
    }
    decisions.push(await decisionsAt(problem, selected, test, lambda, conditioned[l]!, single));
    say(`lambda ${prices[l]!.lambda.toPrecision(3)}: all policies have decided`);
  }
  return { ...judge(prices, decisions, test, costs), seeds, trainSeconds: Math.max(...seconds) };
}

async function decisionsAt(
  problem: YardstickProblem,
  selection: AnswerTable,
  test: AnswerTable,
  lambda: number,
  dqn: Decisions,
  dqnOneLambda: Decisions,
): Promise<Record<PolicyName, Decisions>> {
  const { costs } = problem;
  const yardsticks = new Map(yardsticksFor(problem, lambda).map((one) => [one.name, one]));
  const by = async (name: string): Promise<Decisions> => [await yardsticks.get(name)!.decide(test)];
  const selectionRight = correctAnswers(selection);
  const onSelection = async (name: string): Promise<number> =>
    returnOf(await yardsticks.get(name)!.decide(selection), selectionRight, costShares(costs), lambda);
  const names = ["threshold:confidence", "threshold:margin", "threshold:entropy"];
  const worth = await Promise.all(names.map(onSelection));
  const thresholds = await Promise.all(names.map(by));
  const [thresholdConfidence, thresholdMargin, thresholdEntropy] = thresholds as [Decisions, Decisions, Decisions];
  return {
    dqn,
    dqnOneLambda,
    optimal: await by("optimal"),
    oracle: await by("oracle"),
    thresholdConfidence,
    thresholdMargin,
    thresholdEntropy,
    bestThreshold: thresholds[worth.indexOf(Math.max(...worth))]!,
    patience: await by("patience"),
    bestFixed: await by(`exit:${bestFixedExit(problem.episodes, selection, lambda) + 1}`),
  };
}

/** The best one on all of validation. */
function bestFixedExit({ correct, shares, count }: Episodes, selection: AnswerTable, lambda: number): number {
  const other = correctAnswers(selection);
  const worth = shares.map((share, k) => {
    const right = (all: Uint8Array): number =>
      all.reduce((sum, one, at) => sum + (at % shares.length === k ? one : 0), 0);
    return (right(correct) + right(other)) / (count + selection.count) - lambda * share;
  });
  return worth.indexOf(Math.max(...worth));
}

/** Everything that follows from the decisions. @param decisions [L] */
export function judge(
  prices: readonly Price[],
  decisions: readonly Readonly<Record<PolicyName, Decisions>>[],
  test: AnswerTable,
  costs: ExitCosts,
): Pick<Comparison, "lambdas" | "points" | "average" | "pooledGain"> {
  const correct = correctAnswers(test);
  const width = COMPARED.length;
  const columns = prices.length * width;
  const values = new Float64Array(test.count * columns); // what bootstraps need: [N, L, compared]
  const returns = prices.map(({ lambda }, l) => {
    const of = (name: PolicyName): Worth => worthOf(decisions[l]![name], correct, costs, lambda);
    const all = Object.fromEntries(POLICIES.map((name) => [name, of(name)])) as Record<PolicyName, Worth>;
    COMPARED.forEach((name, c) => {
      addReturns(values, l * width + c, columns, decisions[l]![name], correct, costs, lambda);
    });
    return all;
  });
  const figures = (means: Float64Array): number[] => {
    const perLambda = prices.map((_, l) => differences(means.subarray(l * width, (l + 1) * width)));
    const flat = perLambda.flat();
    const averages = [0, 1, 2].map((f) => perLambda.reduce((sum, one) => sum + one[f]! / prices.length, 0));
    const pooled = means.slice(0, width).map((_, c) => prices.reduce((sum, _, l) => sum + means[l * width + c]!, 0));
    return [...flat, ...averages, differences(pooled)[0]];
  };
  const found = figures(columnMeans(values, columns));
  const intervals = pairedBootstrap(values, columns, figures, 1);
  const points = prices.map((price, l) => ({
    ...price,
    returns: returns[l]!,
    gain: found[3 * l]!,
    gainInterval: intervals[3 * l]!,
    aboveThresholds: found[3 * l + 1]!,
    aboveThresholdsInterval: intervals[3 * l + 1]!,
  }));
  const average = (f: number) => ({ mean: found[3 * prices.length + f]!, interval: intervals[3 * prices.length + f]! });
  return {
    lambdas: prices.map(({ lambda }) => lambda),
    points,
    pooledGain: average(3),
    average: { gain: average(0), aboveThresholds: average(1), aboveOneLambda: average(2) },
  };
}

/** The columns of one lambda. */
const COMPARED = ["dqn", "dqnOneLambda", "optimal", "bestFixed", "bestThreshold"] as const;

/** gain, above the best threshold, above the agents of one lambda. @param means [compared] */
function differences(means: Float64Array): [number, number, number] {
  const [dqn, oneLambda, optimal, bestFixed, bestThreshold] = means as unknown as [
    number,
    number,
    number,
    number,
    number,
  ];
  return [(dqn - bestFixed) / (optimal - bestFixed), dqn - bestThreshold, dqn - oneLambda];
}

function worthOf(decisions: Decisions, correct: Uint8Array, costs: ExitCosts, lambda: number): Worth {
  const points = decisions.map((chosen) => lambdaPoint(lambda, chosen, correct, costs));
  const worth = points.map(({ accuracy, savings }) => accuracy - lambda * (1 - savings));
  const mean = average(worth);
  return {
    mean,
    std: Math.sqrt(average(worth.map((one) => (one - mean) ** 2))),
    accuracy: average(points.map(({ accuracy }) => accuracy)),
    savings: average(points.map(({ savings }) => savings)),
  };
}

/** Writes R of every image, averaged over seeds, into one column. */
function addReturns(
  values: Float64Array,
  column: number,
  columns: number,
  decisions: Decisions,
  correct: Uint8Array,
  { exitMacs, fullMacs }: ExitCosts,
  lambda: number,
): void {
  const exits = exitMacs.length;
  for (const chosen of decisions)
    chosen.forEach((exit, i) => {
      const worth = correct[i * exits + exit]! - (lambda * exitMacs[exit]!) / fullMacs;
      values[i * columns + column]! += worth / decisions.length;
    });
}

export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
