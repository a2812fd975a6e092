/**
 * One verdict on the agent, on validation images alone: each image is decided on by an agent, thresholds and yardsticks that were fitted to
 * other folds, so that nothing is judged on what it learned from. N images, L lambdas.
 */
import { answersOf } from "../src/exits/answers.ts";
import { type Episodes, prepareEpisodes } from "../src/exits/episodes.ts";
import { type ExitCosts, type ExitTable, tableSubset } from "../src/exits/exit-table.ts";
import { greedyExits, qValues } from "../src/policy/agent.ts";
import { foldsOf } from "../src/policy/cross-fit.ts";
import { type DqnOptions, trainAgent } from "../src/policy/dqn.ts";
import { integer, seededRandom } from "../src/random.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { prepareStopping, solveStopping, stoppingExits } from "../src/yardsticks/optimal-stopping.ts";
import { SCORES, thresholdExits, tuneThresholds } from "../src/yardsticks/thresholds.ts";

/** Prices of the last exit in units of one correct answer. */
export const LAMBDAS = [0.001, 0.005, 0.012, 0.02, 0.035, 0.05, 0.1, 0.165, 0.3] as const;

/** [N] mean over lambdas and seeds of correct - lambda * cost share, per policy. */
export interface NetworkReturns {
  readonly name: string;
  readonly agent: Float64Array;
  /** The score whose thresholds were best on the images tuned on, for all lambdas. */
  readonly thresholds: Float64Array;
  readonly fixed: Float64Array;
  /** null in the short form */
  readonly optimal: Float64Array | null;
  /** of one agent, mean */
  readonly learnSeconds: number;
}

type Interval = readonly [low: number, high: number];

export interface Verdict {
  readonly networks: readonly {
    readonly name: string;
    readonly images: number;
    readonly agent: number;
    readonly thresholds: number;
    readonly fixed: number;
    readonly optimal: number | null;
    readonly difference: number;
    readonly interval: Interval;
    readonly learnSeconds: number;
  }[];
  /** R(agent) - R(thresholds), mean over networks, lambdas and seeds */
  readonly difference: number;
  /** 95%, paired bootstrap over the images of each network */
  readonly interval: Interval;
  /** (R(agent) - R(fixed)) / (R(optimal) - R(fixed)) of the mean returns; null in the short form */
  readonly gain: number | null;
}

export interface JudgeOptions {
  readonly name: string;
  readonly table: ExitTable;
  readonly costs: ExitCosts;
  readonly seeds: readonly number[];
  readonly folds: number;
  readonly lambdas: readonly number[];
  /** Optimal stopping takes some ten times as long as all else. */
  readonly withOptimal: boolean;
  readonly options: Partial<DqnOptions>;
}

/** Every image's returns on one network. */
export async function networkReturns(runtime: Runtime, given: JudgeOptions): Promise<NetworkReturns> {
  const { name, table, costs, seeds, folds, lambdas, withOptimal, options } = given;
  const sums = { agent: zeros(table), thresholds: zeros(table), fixed: zeros(table), optimal: zeros(table) };
  let seconds = 0;
  for (const seed of seeds) {
    const fold = foldsOf(table.labels, seed, folds);
    for (let f = 0; f < folds; f++) {
      const held = Uint32Array.from(fold.keys()).filter((i) => fold[i] === f);
      const fit = tableSubset(
        table,
        Uint32Array.from(fold.keys()).filter((i) => fold[i] !== f),
      );
      const begun = performance.now();
      const { agent } = await trainAgent(runtime, fit, null, costs, { ...options, seed });
      seconds += (performance.now() - begun) / 1000;
      const learned = await prepareEpisodes(runtime, answersOf(fit, agent), costs);
      const answers = answersOf(tableSubset(table, held), agent);
      const judged = await prepareEpisodes(runtime, answers, costs);
      const q = await qValues(runtime, agent, answers, costs, lambdas);
      const thresholds = bestThresholds(learned, judged, lambdas);
      const stopping = withOptimal ? prepareStopping(learned) : null;
      for (const [l, lambda] of lambdas.entries()) {
        const add = (into: Float64Array, exits: ArrayLike<number>): void =>
          addReturns(into, held, exits, judged, lambda);
        add(sums.agent, greedyExits(q[l]!, table.exits));
        add(sums.thresholds, thresholds[l]!);
        add(sums.fixed, new Uint8Array(held.length).fill(bestFixed(learned, lambda)));
        if (stopping) add(sums.optimal, stoppingExits(judged, solveStopping(stopping, lambda)));
      }
    }
  }
  const mean = (values: Float64Array): Float64Array => values.map((one) => one / (lambdas.length * seeds.length));
  return {
    name,
    agent: mean(sums.agent),
    thresholds: mean(sums.thresholds),
    fixed: mean(sums.fixed),
    optimal: withOptimal ? mean(sums.optimal) : null,
    learnSeconds: seconds / (folds * seeds.length),
  };
}

/** What the networks say together; each counts the same. */
export function verdictOf(networks: readonly NetworkReturns[], resamples = 1000): Verdict {
  const differences = networks.map(({ agent, thresholds }) => agent.map((one, i) => one - thresholds[i]!));
  const random = seededRandom(1, 0x7e4d1c7);
  const drawn = networks.map(() => [] as number[]);
  for (let r = 0; r < resamples; r++)
    for (const [n, values] of differences.entries()) {
      let sum = 0;
      for (let i = 0; i < values.length; i++) sum += values[integer(random, 0, values.length - 1)]!;
      drawn[n]!.push(sum / values.length);
    }
  const pooled = Array.from({ length: resamples }, (_, r) => average(drawn.map((one) => one[r]!)));
  const rows = networks.map((one, n) => ({
    name: one.name,
    images: one.agent.length,
    agent: average([...one.agent]),
    thresholds: average([...one.thresholds]),
    fixed: average([...one.fixed]),
    optimal: one.optimal && average([...one.optimal]),
    difference: average([...differences[n]!]),
    interval: interval(drawn[n]!),
    learnSeconds: one.learnSeconds,
  }));
  const of = (get: (row: (typeof rows)[number]) => number): number => average(rows.map(get));
  const gain = rows.every(({ optimal }) => optimal !== null)
    ? (of((one) => one.agent) - of((one) => one.fixed)) / (of((one) => one.optimal!) - of((one) => one.fixed))
    : null;
  return { networks: rows, difference: of((one) => one.difference), interval: interval(pooled), gain };
}

export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** [L] of [N]: the score is chosen on the images tuned on, once for all lambdas. */
function bestThresholds(learned: Episodes, judged: Episodes, lambdas: readonly number[]): Uint8Array[] {
  const all = SCORES.map((score) => {
    const rules = lambdas.map((lambda) => tuneThresholds(learned, score, lambda, { starts: 4 }));
    const worth = rules.map((rule, l) => meanReturn(thresholdExits(learned, rule), learned, lambdas[l]!));
    return { rules, worth: average(worth) };
  });
  const best = all.reduce((a, b) => (b.worth > a.worth ? b : a));
  return best.rules.map((rule) => thresholdExits(judged, rule));
}

function bestFixed(episodes: Episodes, lambda: number): number {
  const worth = episodes.shares.map((_, exit) =>
    meanReturn(new Uint8Array(episodes.count).fill(exit), episodes, lambda),
  );
  return worth.indexOf(Math.max(...worth));
}

function meanReturn(exits: Uint8Array, episodes: Episodes, lambda: number): number {
  const returns = new Float64Array(episodes.count);
  addReturns(returns, Uint32Array.from(returns.keys()), exits, episodes, lambda);
  return average([...returns]);
}

function addReturns(
  into: Float64Array,
  places: Uint32Array,
  exits: ArrayLike<number>,
  { correct, shares }: Episodes,
  lambda: number,
): void {
  places.forEach((place, i) => {
    into[place]! += correct[i * shares.length + exits[i]!]! - lambda * shares[exits[i]!]!;
  });
}

function zeros({ count }: ExitTable): Float64Array {
  return new Float64Array(count);
}

function interval(drawn: readonly number[]): Interval {
  const sorted = [...drawn].sort((a, b) => a - b);
  return [sorted[Math.floor(0.025 * (sorted.length - 1))]!, sorted[Math.ceil(0.975 * (sorted.length - 1))]!];
}
