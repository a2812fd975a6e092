/**
 * The whole story: images -> a network with several exits -> a policy that decides where each image stops -> figures.
 * This is where Node comes in; everything below is handed a runtime and works in a browser too.
 */
import type { Dataset, Samples } from "./dataset/dataset.ts";
import { halves } from "./dataset/split.ts";
import { workerBatches } from "./dataset/worker-batches.ts";
import { UserError } from "./errors.ts";
import { evaluateYardsticks } from "./evaluation/comparison.ts";
import { type EvaluationFigures, evaluateExits } from "./evaluation/figures.ts";
import { exitCosts, type LearnedPolicy } from "./model/model.ts";
import { type Blueprint, parseBlueprint } from "./network/blueprint.ts";
import { builtInBlueprint } from "./network/blueprints.ts";
import { checkLambda, decide } from "./policy/agent.ts";
import { DQN_DEFAULTS, type DqnOptions, type DqnProgress, trainAgent } from "./policy/dqn.ts";
import { computeExitTable, exitAccuracies } from "./policy/exit-logits.ts";
import { tableSubset } from "./policy/exit-table.ts";
import {
  type LambdaPoint,
  lambdaForAccuracy,
  lambdaForBudget,
  lambdaForSavings,
  recommendedLambda,
  sweepLambda,
} from "./policy/lambda-calibration.ts";
import { prepareYardsticks, type Yardstick, yardsticksFor } from "./policy/yardsticks.ts";
import { createNodeRuntime } from "./runtime/node.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { builtInRecipe, parseRecipe, type RecipeInput } from "./training/recipe.ts";
import { type TrainedNetwork, type TrainOptions, trainNetwork as trainWith } from "./training/train.ts";
import { VERSION } from "./version.ts";

type TrainHooks = Partial<Pick<TrainOptions, "onProgress" | "saveCheckpoint" | "resumeFrom" | "signal">>;

export interface TrainNetworkOptions extends TrainHooks {
  readonly data: Dataset;
  /** Name of a built-in blueprint, or plain data of your own; default "compact". */
  readonly blueprint?: string | Blueprint;
  /** Name of a built-in recipe, or plain data of your own; default "standard". */
  readonly recipe?: string | RecipeInput;
  /** Default 1. */
  readonly seed?: number;
  /** Default: `createNodeRuntime()`, the cpu. */
  readonly runtime?: Runtime;
}

/**
 * Trains all exits of a network on the train split; batches are prepared in a worker beside the steps.
 *
 * @throws {UserError} if data, blueprint and recipe do not fit together, or the loss is no number
 */
export function trainNetwork(options: TrainNetworkOptions): Promise<TrainedNetwork> {
  const {
    data,
    blueprint = "compact",
    recipe = "standard",
    seed = 1,
    runtime = createNodeRuntime(),
    ...hooks
  } = options;
  const { validation } = data;
  return trainWith({
    ...hooks,
    runtime,
    dataset: data,
    seed,
    blueprint: typeof blueprint === "string" ? builtInBlueprint(blueprint) : parseBlueprint(blueprint),
    recipe: typeof recipe === "string" ? builtInRecipe(recipe) : parseRecipe(recipe),
    batches: workerBatches,
    ...(validation
      ? { validate: async (network) => exitAccuracies(await computeExitTable(runtime, network, validation)) }
      : {}),
  });
}

export interface LearnPolicyOptions {
  readonly network: TrainedNetwork;
  /** The data that the network was trained on: its validation split is used, and nothing else. */
  readonly data: Dataset;
  readonly runtime?: Runtime;
  /** See `DqnOptions` for each of them. */
  readonly options?: Partial<DqnOptions>;
  readonly onProgress?: (progress: DqnProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Learns where each image may stop: one agent for all lambdas, from the validation split alone. One half of it fits
 * temperatures and agent, the other half selects the agent and calibrates its dial.
 *
 * @throws {UserError} if the data's validation split is not the one that the network was kept away from
 */
export async function learnPolicy(given: LearnPolicyOptions): Promise<LearnedPolicy> {
  const { network, data, runtime = createNodeRuntime(), options = {}, onProgress, signal } = given;
  const validation = await computeExitTable(runtime, network, heldOut(network, data));
  const { fit, selection } = halves(validation.labels, network.provenance.seed);
  const selected = tableSubset(validation, selection);
  const dqn = { ...DQN_DEFAULTS, ...options };
  const costs = exitCosts(network.blueprint, network.classes.length, dqn);
  const { agent } = await trainAgent(runtime, tableSubset(validation, fit), selected, costs, {
    ...dqn,
    ...(onProgress ? { onProgress } : {}),
    ...(signal ? { signal } : {}),
  });
  const calibration = await sweepLambda(runtime, agent, selected, costs);
  const lambda = recommendedLambda(calibration, exitAccuracies(selected).at(-1)!);
  return { agent, costs, lambda, calibration, validation };
}

function heldOut({ provenance }: TrainedNetwork, { name, validation }: Dataset): Samples {
  const expected = provenance.dataset.sha256.validation;
  if (!validation || validation.sha256 !== expected)
    throw new UserError(
      `learn: the validation split that the network was kept away from expected (SHA-256 ${expected?.slice(0, 12)}...), ` +
        `found ${validation ? `${validation.sha256.slice(0, 12)}...` : "none"} in ${name}; give the data that the network was trained on`,
    );
  return validation;
}

/** Who can decide in `evaluate`, besides `exit:K` (always leave at exit K, 1..E). */
export const POLICY_NAMES = [
  "dqn",
  "optimal",
  "oracle",
  "patience",
  "random",
  "threshold:confidence",
  "threshold:margin",
  "threshold:entropy",
] as const;

export interface EvaluateOptions {
  readonly network: TrainedNetwork;
  readonly policy: LearnedPolicy | null;
  readonly data: Dataset;
  /** Default "test". */
  readonly split?: "test" | "validation";
  /** Who decides: one of `POLICY_NAMES`, "threshold" for the one on confidence, or "exit:K"; default "dqn". */
  readonly decider?: string;
  /** Price of the full network in units of one correct answer; default: the policy's recommended one. */
  readonly lambda?: number;
  /** Of the bootstrap and of the random yardstick; default 1. */
  readonly seed?: number;
  readonly runtime?: Runtime;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * All figures of a policy on a split, beside every yardstick; the yardsticks are fitted on the fit half of validation.
 *
 * @throws {UserError} if there is no policy, no such split, no such decider, or lambda is outside the agent's range
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationFigures> {
  const { network, policy, data, split = "test", decider = "dqn", seed = 1, runtime = createNodeRuntime() } = options;
  if (!policy)
    throw new UserError("evaluate: a model with a policy expected, found a network alone; run 'earlyexit learn' first");
  const { agent, costs, validation, lambda: recommended } = policy;
  const lambda = options.lambda ?? recommended;
  checkLambda(agent, lambda);
  checkClasses(network, data);
  const samples = data[split];
  if (!samples)
    throw new UserError(`evaluate: a ${split} split expected, found none in ${data.name}; give the whole dataset`);
  const table = await computeExitTable(runtime, network, samples, options.onProgress);
  const { fit } = halves(validation.labels, network.provenance.seed);
  const problem = await prepareYardsticks(runtime, tableSubset(validation, fit), agent.temperatures, costs);
  const dqn: Yardstick = { name: "dqn", decide: (images) => decide(runtime, agent, images, costs, lambda) };
  const all = [dqn, ...yardsticksFor(problem, lambda, seed)];
  const deciding = all.find(({ name }) => name === (decider === "threshold" ? "threshold:confidence" : decider));
  if (!deciding)
    throw new UserError(
      `policy: ${POLICY_NAMES.join(", ")} or exit:1 to exit:${agent.exits} expected, found ${decider}; choose one of them`,
    );
  const { temperatures } = agent;
  const exits = await deciding.decide(table);
  return {
    ...evaluateExits({ table, exits, costs, classes: network.classes, temperatures, seed }),
    policy: { name: deciding.name, lambda },
    yardsticks: await evaluateYardsticks(all, table, costs, lambda),
    dataset: { name: data.name, split, sha256: samples.sha256 },
    seed,
    version: VERSION,
  };
}

function checkClasses(network: TrainedNetwork, { classes, name }: Dataset): void {
  if (classes.join() !== network.classes.join())
    throw new UserError(
      `evaluate: images of the classes ${network.classes.join(", ")} expected, found ${classes.join(", ")} in ${name}; give images of the same classes`,
    );
}

/** An upper bound on cost, or a lower bound on accuracy. */
export type Bound =
  | { readonly kind: "macs" /** mean per image, at most */; readonly macs: number }
  | { readonly kind: "savings" /** share of the full cost, at least */; readonly savings: number }
  | { readonly kind: "accuracy" /** 0..1, at least */; readonly accuracy: number };

/**
 * The point of the calibration (selection half of validation) that meets a bound: the most accurate one within a budget,
 * the cheapest one at an accuracy.
 *
 * @throws {UserError} saying what can be reached, if the bound cannot be met
 */
export function pointWithin({ calibration }: LearnedPolicy, bound: Bound): LambdaPoint {
  const lambda =
    bound.kind === "macs"
      ? lambdaForBudget(calibration, bound.macs)
      : bound.kind === "savings"
        ? lambdaForSavings(calibration, bound.savings)
        : lambdaForAccuracy(calibration, bound.accuracy);
  return calibration.find((point) => point.lambda === lambda)!;
}
