import { answersOf, fitAnswers } from "../exits/answers.ts";
import { returnOf } from "../exits/environment.ts";
import { prepareEpisodes } from "../exits/episodes.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import type { LambdaRange } from "../exits/lambda-grid.ts";
import { lambdaGrid } from "../exits/lambda-grid.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { prepareStopping, solveStopping, stoppingExits } from "../yardsticks/optimal-stopping.ts";
import type { DqnOptions } from "./dqn-options.ts";

/** Where the agent's return is measured while it learns. */
export interface ReturnGrid {
  readonly lambdaRange: LambdaRange;
  readonly selectionLambdas: number;
}

/**
 * What optimal stopping, fitted to one half, reaches on the other: its mean return over the lambdas at which the agent is
 * looked at while it learns. The agent's `best` is to be compared with it. About a second per lambda on 2,500 images.
 *
 * @param fit at least 50 images
 */
export async function optimalReturn(
  runtime: Runtime,
  fit: ExitTable,
  selection: ExitTable,
  costs: ExitCosts,
  { lambdaRange, selectionLambdas }: ReturnGrid,
): Promise<number> {
  const rule = fitAnswers(fit);
  const problem = prepareStopping(await prepareEpisodes(runtime, answersOf(fit, rule), costs));
  const judged = await prepareEpisodes(runtime, answersOf(selection, rule), costs);
  const lambdas = lambdaGrid(lambdaRange, selectionLambdas);
  const returns = lambdas.map((lambda) =>
    returnOf(stoppingExits(judged, solveStopping(problem, lambda)), judged.correct, judged.shares, lambda),
  );
  return returns.reduce((sum, one) => sum + one, 0) / lambdas.length;
}

/** Options of which whoever watches sees how far the agent is from optimal stopping; as given if nobody watches. */
export async function besideOptimal(
  runtime: Runtime,
  fit: ExitTable,
  selection: ExitTable,
  costs: ExitCosts,
  options: DqnOptions,
): Promise<DqnOptions> {
  const { onProgress } = options;
  if (!onProgress) return options;
  const optimal = await optimalReturn(runtime, fit, selection, costs, options);
  return { ...options, onProgress: (progress) => onProgress({ ...progress, optimal }) };
}
