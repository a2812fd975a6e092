import type { AnswerTable } from "../exits/answers.ts";
import { correctAnswers, returnOf } from "../exits/environment.ts";
import { type Episodes, featureAt, prepareEpisodes } from "../exits/episodes.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import { costShares, featureCount } from "../exits/observation.ts";
import { integer, seededRandom } from "../random.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { prepareStopping, type StoppingProblem, solveStopping, stoppingExits } from "./optimal-stopping.ts";
import { SCORES, type Score, thresholdExits, tuneThresholds } from "./thresholds.ts";

/** A policy that the agent is compared with. */
export interface Yardstick {
  /** "exit:1".."exit:E", "random", "patience", "threshold:confidence", ..., "optimal" or "oracle" */
  readonly name: string;
  /** @returns [N] the exit for each image of any table of the same network */
  decide(answers: AnswerTable): Promise<Uint8Array> | Uint8Array;
}

/** What yardsticks are fitted on: prepared once, then solved for any lambda. */
export interface YardstickProblem {
  readonly runtime: Runtime;
  readonly costs: ExitCosts;
  /** of the fit half */
  readonly episodes: Episodes;
  readonly stopping: StoppingProblem;
  /** What was worked out of the tables that were decided on: each once, for all yardsticks and lambdas. */
  readonly seen: WeakMap<AnswerTable, Promise<Episodes>>;
}

/** @param fit the fit half of the validation split, at least 50 images */
export async function prepareYardsticks(
  runtime: Runtime,
  fit: AnswerTable,
  costs: ExitCosts,
): Promise<YardstickProblem> {
  const episodes = await prepareEpisodes(runtime, fit, costs);
  return { runtime, costs, episodes, stopping: prepareStopping(episodes), seen: new WeakMap() };
}

/** Every yardstick, fitted for one lambda: fixed exits, random, patience, three tuned thresholds, optimal stopping, oracle. */
export function yardsticksFor(problem: YardstickProblem, lambda: number, seed = 0): Yardstick[] {
  return [
    ...problem.costs.exitMacs.map((_, exit) => fixedExit(exit)),
    randomExit(seed),
    patience(problem, lambda),
    ...SCORES.map((score) => tunedThreshold(problem, score, lambda)),
    optimalStopping(problem, lambda),
    oracle(problem.costs, lambda),
  ];
}

/** Always the same exit. @param exit index 0..E-1; its name counts from 1 */
export function fixedExit(exit: number): Yardstick {
  return {
    name: `exit:${exit + 1}`,
    decide: ({ count, exits }) => {
      if (!(Number.isInteger(exit) && exit >= 0 && exit < exits))
        throw new RangeError(`fixedExit: an exit in 0..${exits - 1} expected, found ${exit}`);
      return new Uint8Array(count).fill(exit);
    },
  };
}

/** Any exit with equal probability. */
export function randomExit(seed: number): Yardstick {
  return {
    name: "random",
    decide: ({ count, exits }) => {
      const random = seededRandom(seed, 0x4a4d);
      return Uint8Array.from({ length: count }, () => integer(random, 0, exits - 1));
    },
  };
}

/**
 * Stops once `p` exits in a row have agreed with the one before; p = 0 is the first exit, p = E the last one. The best p on
 * the fit half is taken, the smaller one at a tie.
 *
 * @see Zhou et al., "BERT Loses Patience" (NeurIPS 2020)
 */
function patience(problem: YardstickProblem, lambda: number): Yardstick {
  const { episodes } = problem;
  const worth = Array.from({ length: episodes.exits + 1 }, (_, p) =>
    returnOf(patienceExits(episodes, p), episodes.correct, episodes.shares, lambda),
  );
  const best = worth.indexOf(Math.max(...worth));
  return { name: "patience", decide: async (answers) => patienceExits(await see(problem, answers), best) };
}

/** The exit [N] at which `p` agreements in a row have been counted. */
export function patienceExits(episodes: Episodes, p: number): Uint8Array {
  const { count, exits, classes } = episodes;
  const agrees = Array.from({ length: exits }, (_, exit) => featureAt(episodes, exit, featureCount(classes) - 1));
  return Uint8Array.from({ length: count }, (_, i) => {
    let [exit, run] = [0, 0];
    while (run < p && exit < exits - 1) {
      exit++;
      run = agrees[exit]![i]! === 1 ? run + 1 : 0;
    }
    return exit;
  });
}

/** One threshold per exit on one score, tuned on the fit half; see `tuneThresholds`. */
function tunedThreshold(problem: YardstickProblem, score: Score, lambda: number): Yardstick {
  const rule = tuneThresholds(problem.episodes, score, lambda);
  return {
    name: `threshold:${score}`,
    decide: async (answers) => thresholdExits(await see(problem, answers), rule),
  };
}

/** The best estimate of what an ideal agent would reach; see `solveStopping`. */
export function optimalStopping(problem: YardstickProblem, lambda: number): Yardstick {
  const rule = solveStopping(problem.stopping, lambda);
  return { name: "optimal", decide: async (answers) => stoppingExits(await see(problem, answers), rule) };
}

/** Per image the best exit in hindsight, for this lambda: it looks at the labels. An upper bound that nobody can reach. */
function oracle(costs: ExitCosts, lambda: number): Yardstick {
  return { name: "oracle", decide: (answers) => oracleExits(correctAnswers(answers), costShares(costs), lambda) };
}

/** [N] the exit with the largest correct - lambda * c_k / c_{E-1}; the cheaper one at a tie. @param correct [N, E] */
export function oracleExits(correct: Uint8Array, shares: readonly number[], lambda: number): Uint8Array {
  const exits = shares.length;
  return Uint8Array.from({ length: correct.length / exits }, (_, i) => {
    const worth = shares.map((share, k) => correct[i * exits + k]! - lambda * share);
    return worth.indexOf(Math.max(...worth));
  });
}

function see({ runtime, costs, seen }: YardstickProblem, answers: AnswerTable): Promise<Episodes> {
  const episodes = seen.get(answers) ?? prepareEpisodes(runtime, answers, costs);
  seen.set(answers, episodes);
  return episodes;
}
