/**
 * The story on whatever runtime there is: data -> network -> policy -> figures. This is what `earlyexit/web` offers, on a runtime
 * from `createWebRuntime`; `node.ts` adds what only Node has.
 */
import type { Dataset } from "../dataset/dataset.ts";
import {
  type DetailedResult,
  detailOnTable,
  evaluateOnTable,
  type SplitEvaluation,
  tableOfSplit,
} from "../evaluation/evaluate-table.ts";
import type { EvaluationFigures } from "../evaluation/figures.ts";
import { answersOf, plainRule } from "../exits/answers.ts";
import { exitAccuracies } from "../exits/environment.ts";
import { computeExitTable } from "../exits/exit-logits.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { type Blueprint, parseBlueprint } from "../network/blueprint.ts";
import { builtInBlueprint } from "../network/blueprints.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import { DQN_DEFAULTS } from "../policy/dqn.ts";
import { agentLayers, exitCosts } from "../policy/exit-costs.ts";
import { heldOut, type LearnHooks, learnOnTable } from "../policy/learn.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { builtInRecipe, parseRecipe, type RecipeInput } from "../training/recipe.ts";
import { type TrainOptions, trainNetwork as trainWith } from "../training/train.ts";

interface WebOptions {
  readonly runtime: Runtime;
  readonly data: Dataset;
}

type TrainHooks = Partial<
  Pick<TrainOptions, "batches" | "from" | "teacher" | "onProgress" | "saveCheckpoint" | "resumeFrom" | "signal">
>;

export interface TrainNetworkOptions extends WebOptions, TrainHooks {
  /** Name of a built-in blueprint, or plain data of your own; default "tiny". */
  readonly blueprint?: string | Blueprint;
  /** Name of a built-in recipe, or plain data of your own; default "quick". */
  readonly recipe?: string | RecipeInput;
  /** Default 1. */
  readonly seed?: number;
  /** Is given what the network as it stands says of the validation split, each time that it is looked at. */
  readonly onLook?: (table: ExitTable) => void;
}

/**
 * Trains all exits of a network on the train split, with one compiled step on any device.
 *
 * @throws {UserError} if data, blueprint and recipe do not fit together, or the loss is no number
 */
export function trainNetwork(options: TrainNetworkOptions): Promise<StagedNetwork> {
  const { runtime, data, blueprint = "tiny", recipe = "quick", seed = 1, onLook, ...hooks } = options;
  const { validation } = data;
  return trainWith({
    ...hooks,
    runtime,
    dataset: data,
    seed,
    blueprint: typeof blueprint === "string" ? builtInBlueprint(blueprint, data.imageShape) : parseBlueprint(blueprint),
    recipe: typeof recipe === "string" ? builtInRecipe(recipe) : parseRecipe(recipe),
    ...(validation
      ? {
          validate: async (network) => {
            const table = await computeExitTable(runtime, network, validation);
            onLook?.(table);
            return headAccuracies(table);
          },
        }
      : {}),
  });
}

export interface LearnPolicyOptions extends WebOptions, LearnHooks {
  readonly network: StagedNetwork;
}

/**
 * Learns where each image may stop, from the validation split alone; exits are priced in multiply-accumulates.
 *
 * @throws {UserError} if the data's validation split is not the one that the network was kept away from
 */
export async function learnPolicy({ network, data, runtime, ...hooks }: LearnPolicyOptions): Promise<LearnedPolicy> {
  const table = await computeExitTable(runtime, network, heldOut(network, data));
  const dqn = { ...DQN_DEFAULTS, ...hooks.options };
  const costs = exitCosts(network, agentLayers(dqn, network.stages.length));
  const splitSeed = network.provenance.seed;
  const policy = await learnOnTable({ ...hooks, table, costs, costUnit: "MACs", splitSeed, runtime });
  return { network: network.sha256, ...policy };
}

export type EvaluateOptions = SplitEvaluation;

/**
 * All figures of a policy on a split, beside every yardstick; the yardsticks are fitted to the validation images.
 *
 * @throws {UserError} if there is no such split or decider, or lambda is outside the agent's range
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationFigures> {
  return evaluateOnTable(await tableOfSplit(options));
}

/** The same with what plots need: confidence and calibration in bins, curves over lambda. @throws {UserError} as `evaluate` does */
export async function evaluateInDetail(options: EvaluateOptions): Promise<DetailedResult> {
  return detailOnTable(await tableOfSplit(options));
}

/** [E] of each head by itself: a network has no rule for answers yet while it learns. */
function headAccuracies(table: ExitTable): number[] {
  return exitAccuracies(answersOf(table, plainRule(table.exits)));
}
