/** From an exit table to a policy with its dial, on whatever runtime there is. */
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { halves } from "../dataset/split.ts";
import { UserError } from "../errors.ts";
import { answersOf } from "../exits/answers.ts";
import { type ExitCosts, type ExitTable, tableSubset } from "../exits/exit-table.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Agent } from "./agent.ts";
import { type DqnOptions, type DqnProgress, trainAgent } from "./dqn.ts";
import { dqnOptions } from "./dqn-options.ts";
import { recommendedLambda, sweepLambda } from "./lambda-calibration.ts";
import { checkLearnable, finiteAgent } from "./learnable.ts";
import type { LearnedPolicy } from "./learned-policy.ts";
import { besideOptimal } from "./optimal-return.ts";

export interface LearnHooks {
  /** See `DqnOptions` for each of them. */
  readonly options?: Partial<DqnOptions>;
  readonly onProgress?: (progress: DqnProgress) => void;
  readonly signal?: AbortSignal;
}

export interface LearnOptions extends LearnHooks {
  /** Exit table of images that the network was not trained on. */
  readonly table: ExitTable;
  readonly costs: ExitCosts;
  /** What the costs count, for example "MACs". */
  readonly costUnit: string;
  /** Decides which images fit and which select. */
  readonly splitSeed: number;
  readonly runtime: Runtime;
}

/** What `prepareYardsticks` needs. */
const LEAST_IMAGES = 50;

/**
 * One half of the table fits the answers' rule and the agent, the other half selects the agent and calibrates its dial.
 *
 * @throws {UserError} if there are too few images
 */
export async function learnOnTable(given: LearnOptions): Promise<LearnedPolicy> {
  const { table, costs, costUnit, splitSeed, runtime, options, onProgress, signal } = given;
  const { fit, selection } = halves(table.labels, splitSeed);
  if (fit.length < LEAST_IMAGES)
    throw new UserError(
      `learn: at least ${2 * LEAST_IMAGES} images expected, found ${table.count}; half of them select, and yardsticks need ${LEAST_IMAGES}`,
    );
  checkLearnable(table, costs, "learn");
  const [fitted, selected] = [tableSubset(table, fit), tableSubset(table, selection)];
  const dqn = dqnOptions({ ...options, ...(onProgress ? { onProgress } : {}), ...(signal ? { signal } : {}) });
  const watched = await besideOptimal(runtime, fitted, selected, costs, dqn);
  const agent = finiteAgent((await trainAgent(runtime, fitted, selected, costs, watched)).agent);
  const dial = await calibrated(runtime, agent, selected, costs);
  return { agent, costs, costUnit, seed: dqn.seed, ...dial, validation: table };
}

/** The dial of an agent, from images that it was not fitted to. */
export async function calibrated(runtime: Runtime, agent: Agent, selected: ExitTable, costs: ExitCosts) {
  const calibration = await sweepLambda(runtime, agent, answersOf(selected, agent), costs);
  return { calibration, lambda: recommendedLambda(calibration, costs) };
}

/**
 * The validation split. The pictures that somebody else's network was calibrated with may be any part of their set.
 *
 * @throws {UserError} if it is not the one that the network was kept away from
 */
export function heldOut(
  { provenance, original }: StagedNetwork,
  { name, train, validation: own, test }: Dataset,
): Samples {
  const expected = provenance.dataset.sha256.validation;
  const validation = original ? ([own, test, train].find((one) => one?.sha256 === expected) ?? own) : own;
  if (!validation || validation.sha256 !== expected)
    throw new UserError(
      `learn: the validation split that the network was kept away from expected (SHA-256 ${expected?.slice(0, 12)}...), ` +
        `found ${validation ? `${validation.sha256.slice(0, 12)}...` : "none"} in ${name}; give the data that the network was trained on`,
    );
  return validation;
}
