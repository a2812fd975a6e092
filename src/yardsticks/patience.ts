/** An exit criterion in one file: how it decides, and what is fitted for each lambda. The file to copy from for one of your own. */
import { returnOf } from "../exits/environment.ts";
import { type Episodes, featureAt } from "../exits/episodes.ts";
import { featureCount } from "../exits/observation.ts";
import { episodesOf, type Yardstick, type YardstickProblem } from "./yardstick.ts";

/**
 * Stops once `p` exits in a row have agreed with the one before; p = 0 is the first exit, p = E the last one. The best p on
 * the validation images is taken, the smaller one at a tie.
 *
 * @see Zhou et al., "BERT Loses Patience" (NeurIPS 2020)
 */
export function patience(problem: YardstickProblem, lambda: number): Yardstick {
  const { episodes } = problem;
  const worth = Array.from({ length: episodes.exits + 1 }, (_, p) =>
    returnOf(patienceExits(episodes, p), episodes.correct, episodes.shares, lambda),
  );
  const best = worth.indexOf(Math.max(...worth));
  return {
    name: "patience",
    fitted: { agreements: best },
    decide: async (answers) => patienceExits(await episodesOf(problem, answers), best),
  };
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
