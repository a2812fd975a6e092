/** Everything that the agent is measured against. A new one is a file like `patience.ts`, a name and a line in here. */
import { correctAnswers } from "../exits/environment.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import { costShares } from "../exits/observation.ts";
import { integer, seededRandom } from "../random.ts";
import { solveStopping, stoppingExits } from "./optimal-stopping.ts";
import { patience } from "./patience.ts";
import { SCORES, type Score, thresholdExits, tuneThresholds } from "./thresholds.ts";
import { episodesOf, type Yardstick, type YardstickProblem } from "./yardstick.ts";

/** The names of all but the fixed exits, as `--policy` takes them. */
export const YARDSTICK_NAMES = [
  "optimal",
  "oracle",
  "patience",
  "random",
  "threshold:confidence",
  "threshold:margin",
  "threshold:entropy",
] as const;

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

/** One threshold per exit on one score, tuned on the validation images; see `tuneThresholds`. */
function tunedThreshold(problem: YardstickProblem, score: Score, lambda: number): Yardstick {
  const rule = tuneThresholds(problem.episodes, score, lambda);
  return {
    name: `threshold:${score}`,
    fitted: { thresholds: rule.thresholds },
    decide: async (answers) => thresholdExits(await episodesOf(problem, answers), rule),
  };
}

/** The best estimate of what an ideal agent would reach; see `solveStopping`. */
export function optimalStopping(problem: YardstickProblem, lambda: number): Yardstick {
  const rule = solveStopping(problem.stopping, lambda);
  return { name: "optimal", decide: async (answers) => stoppingExits(await episodesOf(problem, answers), rule) };
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
