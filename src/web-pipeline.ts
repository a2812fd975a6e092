/** The same story as `pipeline.ts`, in a browser: data -> network -> policy -> figures, on a runtime from `createWebRuntime`. */
import type { Dataset } from "./dataset/dataset.ts";
import { UserError } from "./errors.ts";
import {
  checkClasses,
  type DetailedResult,
  detailOnTable,
  evaluateOnTable,
  type TableEvaluation,
} from "./evaluation/evaluate-table.ts";
import type { EvaluationFigures } from "./evaluation/figures.ts";
import { exitCosts, type LearnedPolicy } from "./model/model.ts";
import { type Blueprint, parseBlueprint } from "./network/blueprint.ts";
import { builtInBlueprint } from "./network/blueprints.ts";
import { DQN_DEFAULTS } from "./policy/dqn.ts";
import { computeExitTable, exitAccuracies } from "./policy/exit-logits.ts";
import { heldOut, type LearnHooks, learnOnTable } from "./policy/learn.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { builtInRecipe, parseRecipe, type RecipeInput } from "./training/recipe.ts";
import { type TrainedNetwork, type TrainOptions, trainNetwork as trainWith } from "./training/train.ts";

interface WebOptions {
  readonly runtime: Runtime;
  readonly data: Dataset;
}

export interface TrainNetworkOptions extends WebOptions, Partial<Pick<TrainOptions, "onProgress" | "signal">> {
  /** Name of a built-in blueprint, or plain data of your own; default "tiny". */
  readonly blueprint?: string | Blueprint;
  /** Name of a built-in recipe, or plain data of your own; default "quick". */
  readonly recipe?: string | RecipeInput;
  /** Default 1. */
  readonly seed?: number;
}

/**
 * Trains all exits of a network on the train split, with the same compiled step as in Node.
 *
 * @throws {UserError} if data, blueprint and recipe do not fit together, or the loss is no number
 */
export function trainNetwork(options: TrainNetworkOptions): Promise<TrainedNetwork> {
  const { runtime, data, blueprint = "tiny", recipe = "quick", seed = 1, ...hooks } = options;
  const { validation } = data;
  return trainWith({
    ...hooks,
    runtime,
    dataset: data,
    seed,
    blueprint: typeof blueprint === "string" ? builtInBlueprint(blueprint) : parseBlueprint(blueprint),
    recipe: typeof recipe === "string" ? builtInRecipe(recipe) : parseRecipe(recipe),
    ...(validation
      ? { validate: async (network) => exitAccuracies(await computeExitTable(runtime, network, validation)) }
      : {}),
  });
}

export interface LearnPolicyOptions extends WebOptions, LearnHooks {
  readonly network: TrainedNetwork;
}

/**
 * Learns where each image may stop, from the validation split alone; exits are priced in multiply-accumulates.
 *
 * @throws {UserError} if the data's validation split is not the one that the network was kept away from
 */
export async function learnPolicy({ network, data, runtime, ...hooks }: LearnPolicyOptions): Promise<LearnedPolicy> {
  const table = await computeExitTable(runtime, network, heldOut(network, data));
  const costs = exitCosts(network.blueprint, network.classes.length, { ...DQN_DEFAULTS, ...hooks.options });
  return learnOnTable({ ...hooks, table, costs, costUnit: "MACs", splitSeed: network.provenance.seed, runtime });
}

export interface EvaluateOptions extends WebOptions, Pick<TableEvaluation, "decider" | "lambda" | "seed"> {
  readonly network: TrainedNetwork;
  readonly policy: LearnedPolicy;
  /** Default "test". */
  readonly split?: "test" | "validation";
}

/**
 * All figures of a policy on a split, beside every yardstick.
 *
 * @throws {UserError} if there is no such split or decider, or lambda is outside the agent's range
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationFigures> {
  return evaluateOnTable(await tableToEvaluate(options));
}

/** The same with what plots need: confidence and calibration in bins, curves over lambda. @throws {UserError} as `evaluate` does */
export async function evaluateInDetail(options: EvaluateOptions): Promise<DetailedResult> {
  return detailOnTable(await tableToEvaluate(options));
}

async function tableToEvaluate(options: EvaluateOptions): Promise<TableEvaluation> {
  const { network, policy, data, split = "test", runtime, ...others } = options;
  checkClasses(network, data);
  const samples = data[split];
  if (!samples)
    throw new UserError(`evaluate: a ${split} split expected, found none in ${data.name}; give the whole dataset`);
  return {
    ...others,
    policy,
    table: await computeExitTable(runtime, network, samples),
    classes: network.classes,
    dataset: { name: data.name, split, sha256: samples.sha256 },
    splitSeed: network.provenance.seed,
    runtime,
  };
}
