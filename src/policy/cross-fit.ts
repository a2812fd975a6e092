/**
 * Every image decided on by an agent and by thresholds that have not seen it: validation is cut into folds, and for each of them the answers'
 * rule, the agent and the thresholds are fitted to the others. What is deployed is fitted to all of them; what is said of it comes
 * from here, and no image is spent on saying it. Letters: N images, E exits, L lambdas, K folds.
 *
 * @see Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions" (1974)
 */
import { answersOf } from "../exits/answers.ts";
import { type Episodes, prepareEpisodes, type Rewards } from "../exits/episodes.ts";
import { type ExitCosts, type ExitTable, tableSubset } from "../exits/exit-table.ts";
import { bestJudge, expectedRightness } from "../exits/expected-rightness.ts";
import { permutation, seededRandom } from "../random.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { dialExits, type Tuning, tuneThresholdDial } from "../yardsticks/threshold-dial.ts";
import type { Score } from "../yardsticks/thresholds.ts";
import { type Agent, greedyExits, qValues } from "./agent.ts";
import { type DqnOptions, trainAgent } from "./dqn.ts";

export const FOLDS = 5;

/** What was decided on every image by what had not seen it. */
export interface OutOfFold {
  /** [N, E] 1 where the exit's answer, by a rule fitted to the other folds, is right */
  readonly correct: Uint8Array;
  /** [N, E] the chance that it is, see `expectedRightness` */
  readonly expected: Float32Array;
  /** [L] of [N] the exits that the agents take */
  readonly agent: readonly Uint8Array[];
  /** [L] of [N] the exits that the thresholds take */
  readonly thresholds: readonly Uint8Array[];
}

/** [N] the fold of each image, 0..K-1; each class is dealt out evenly. Depends on labels and seed alone. */
export function foldsOf(labels: Uint16Array, seed: number, folds = FOLDS): Uint8Array {
  const fold = new Uint8Array(labels.length);
  const order = permutation(seededRandom(seed, 0xf01d5), labels.length);
  const byClass = [...order].sort((a, b) => labels[a]! - labels[b]!); // stable: within a class as drawn
  byClass.forEach((image, at) => {
    fold[image] = at % folds;
  });
  return fold;
}

export interface CrossFitOptions {
  readonly runtime: Runtime;
  readonly table: ExitTable;
  readonly costs: ExitCosts;
  /** [L] */
  readonly lambdas: readonly number[];
  /** Of the thresholds. */
  readonly score: Score;
  readonly tuning: Tuning;
  /** Of the agents. @param fold 0..K-1 */
  readonly options: (fold: number) => DqnOptions;
  readonly seed: number;
}

export async function crossFit(given: CrossFitOptions): Promise<OutOfFold> {
  const { runtime, table, costs, lambdas, score, tuning, options, seed } = given;
  const fold = foldsOf(table.labels, seed);
  const correct = new Uint8Array(table.count * table.exits);
  const expected = new Float32Array(table.count * table.exits);
  const empty = (): Uint8Array[] => lambdas.map(() => new Uint8Array(table.count));
  const [byAgent, byThresholds] = [empty(), empty()];
  for (let f = 0; f < FOLDS; f++) {
    const [held, others] = [indicesWhere(fold, (one) => one === f), indicesWhere(fold, (one) => one !== f)];
    const fit = tableSubset(table, others);
    const { agent } = await trainAgent(runtime, fit, null, costs, options(f));
    const judged = answersOf(tableSubset(table, held), agent);
    const episodes = await prepareEpisodes(runtime, judged, costs);
    const chances = expectedRightness(judged, bestJudge(answersOf(fit, agent)));
    const learning = await episodesOf(runtime, fit, agent, costs, thresholdRewards(tuning, options(f).rewards));
    const dial = tuneThresholdDial(learning, score, agent.lambdaRange, tuning);
    const q = await qValues(runtime, agent, judged, costs, lambdas);
    held.forEach((image, i) => {
      const row = [i * table.exits, (i + 1) * table.exits] as const;
      correct.set(episodes.correct.subarray(...row), image * table.exits);
      expected.set(chances.subarray(...row), image * table.exits);
    });
    for (const [l, lambda] of lambdas.entries()) {
      scatter(greedyExits(q[l]!, table.exits), held, byAgent[l]!);
      scatter(dialExits(episodes, dial, lambda), held, byThresholds[l]!);
    }
  }
  return { correct, expected, agent: byAgent, thresholds: byThresholds };
}

/** What thresholds are tuned to: the chance of being right is itself learned, and few images tell it less surely than the answers do. */
export function thresholdRewards(tuning: Tuning, rewards: Rewards): Rewards {
  return tuning === "shared" ? "answers" : rewards;
}

/** What an agent's rule makes of a table. */
export function episodesOf(
  runtime: Runtime,
  table: ExitTable,
  rule: Agent,
  costs: ExitCosts,
  rewards: Rewards,
): Promise<Episodes> {
  return prepareEpisodes(runtime, answersOf(table, rule), costs, rewards);
}

function scatter(values: Uint8Array, places: Uint32Array, into: Uint8Array): void {
  places.forEach((place, i) => {
    into[place] = values[i]!;
  });
}

function indicesWhere(fold: Uint8Array, holds: (one: number) => boolean): Uint32Array {
  return Uint32Array.from(fold.keys()).filter((i) => holds(fold[i]!));
}
