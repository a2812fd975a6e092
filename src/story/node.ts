/**
 * The whole story: images -> a network with several exits -> a policy that decides where each image stops -> figures.
 * This is where Node comes in; everything below is handed a runtime and works in a browser too.
 */
import { evaluationBatches } from "../dataset/batches.ts";
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { workerBatches } from "../dataset/worker-batches.ts";
import { UserError } from "../errors.ts";
import {
  type DetailedResult,
  detailOnTable,
  evaluateOnTable,
  type SplitEvaluation,
  type TableEvaluation,
} from "../evaluation/evaluate-table.ts";
import type { EvaluationFigures } from "../evaluation/figures.ts";
import { plainRule } from "../exits/answers.ts";
import { computeExitTable } from "../exits/exit-logits.ts";
import { type ExitCosts, type ExitTable, tableSubset } from "../exits/exit-table.ts";
import { stateWidth } from "../exits/observation.ts";
import { costsOf } from "../exits/table-file.ts";
import { firstFeeds } from "../inference/classification.ts";
import { nestedGraph } from "../inference/nested-exits.ts";
import { fullNetworkGraph } from "../inference/stage-programs.ts";
import { measureExitTimes } from "../measure/stage-times.ts";
import type { Blueprint } from "../network/blueprint.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { Agent } from "../policy/agent.ts";
import { DQN_DEFAULTS, type DqnOptions } from "../policy/dqn.ts";
import { agentLayers, exitCosts } from "../policy/exit-costs.ts";
import { type Judgement, learnOn } from "../policy/feedback.ts";
import { fixedExitAgent } from "../policy/fixed-exit-agent.ts";
import {
  type LambdaPoint,
  lambdaForAccuracy,
  lambdaForBudget,
  lambdaForSavings,
} from "../policy/lambda-calibration.ts";
import { calibrated, heldOut, type LearnHooks, type LearnOptions, learnOnTable } from "../policy/learn.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { initialQWeights } from "../policy/q-network.ts";
import { type QuantiseOptions as QuantiseOnRuntime, quantise as quantiseOnRuntime } from "../quantise/quantise.ts";
import type { QuantisedNetwork } from "../quantise/quantised-network.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RecipeInput } from "../training/recipe.ts";
import type { Trained } from "../training/start.ts";
import type { TrainOptions } from "../training/train.ts";
import {
  evaluateInDetail as detailOnRuntime,
  evaluate as evaluateOnRuntime,
  trainNetwork as trainOnRuntime,
} from "./any.ts";
import { chosenTraining } from "./own-pictures.ts";

type TrainHooks = Partial<Pick<TrainOptions, "teacher" | "onProgress" | "saveCheckpoint" | "resumeFrom" | "signal">>;

export interface TrainNetworkOptions extends TrainHooks {
  readonly data: Dataset;
  /** Name of a built-in blueprint, or plain data of your own; default "compact", of the drawn set "tiny". */
  readonly blueprint?: string | Blueprint;
  /** Name of a built-in recipe, or plain data of your own; default "photos" for pictures, "standard" for sets of fixed size, "quick" for the drawn one. */
  readonly recipe?: string | RecipeInput;
  /** Times that each image is seen; default: the recipe's. */
  readonly epochs?: number;
  /** A network to start from; default: for pictures and `compact` the one that comes along, else none; null: none. */
  readonly from?: Trained | null;
  /** Default 1. */
  readonly seed?: number;
  /** Default: `createNodeRuntime()`, the cpu. */
  readonly runtime?: Runtime;
}

/**
 * Trains all exits of a network on the train split; batches are prepared in a worker beside the steps. What is not given is chosen for the
 * data as the command line does.
 *
 * @throws {UserError} if data, blueprint and recipe do not fit together, or the loss is no number
 */
export async function trainNetwork(options: TrainNetworkOptions): Promise<StagedNetwork> {
  const { blueprint, recipe, epochs, from, runtime = createNodeRuntime(), ...others } = options;
  const chosen = await chosenTraining({ data: others.data, blueprint, recipe, epochs, from });
  return trainOnRuntime({ ...others, ...chosen, runtime, batches: workerBatches });
}

export interface QuantiseOptions extends Omit<QuantiseOnRuntime, "runtime"> {
  /** Default: `createNodeRuntime()`, the cpu. */
  readonly runtime?: Runtime;
}

/**
 * The same network in 8 bits: learn a policy for it.
 *
 * @throws {UserError} if it is in 8 bits already or is not made from a blueprint, or the pictures are of another shape or too few
 */
export function quantise({ runtime = createNodeRuntime(), ...options }: QuantiseOptions): Promise<QuantisedNetwork> {
  return quantiseOnRuntime({ ...options, runtime });
}

/** What the exits are priced in: multiply-accumulates, measured milliseconds of this machine, or anything else that rises. */
export type CostChoice =
  | "macs"
  | "latency"
  | { readonly unit: string /** [E] increasing */; readonly costs: readonly number[] };

export interface LearnPolicyOptions extends LearnHooks {
  readonly network: StagedNetwork;
  /** The data that the network was trained on: its validation split is used, and nothing else. */
  readonly data: Dataset;
  /** Default "macs". */
  readonly cost?: CostChoice;
  readonly runtime?: Runtime;
}

/**
 * Learns where each image may stop: one agent for all lambdas, from the validation split alone: see `learnOnTable`.
 *
 * @throws {UserError} if the data's validation split is not the one that the network was kept away from, or there is not one
 *   cost per exit
 */
export async function learnPolicy(given: LearnPolicyOptions): Promise<LearnedPolicy> {
  const { network, data, cost = "macs", runtime = createNodeRuntime(), ...hooks } = given;
  const samples = heldOut(network, data);
  const table = await computeExitTable(runtime, network, samples);
  const dqn = { ...DQN_DEFAULTS, ...hooks.options };
  const { costs, costUnit } = await pricesOf(runtime, network, samples, table, cost, dqn);
  const policy = await learnFromTable({
    ...hooks,
    table,
    costs,
    costUnit,
    splitSeed: network.provenance.seed,
    runtime,
  });
  return { network: network.sha256, ...policy };
}

export interface LearnFromTableOptions extends Omit<LearnOptions, "runtime"> {
  readonly runtime?: Runtime;
}

/**
 * The same from an exit table, wherever it came from.
 *
 * @throws {UserError} if there are too few images
 */
export function learnFromTable({ runtime = createNodeRuntime(), ...given }: LearnFromTableOptions) {
  return learnOnTable({ ...given, runtime });
}

/** Exits cost the decisions on the way, too: they are timed with agents of the right size. */
async function pricesOf(
  runtime: Runtime,
  network: StagedNetwork,
  samples: Samples,
  validation: ExitTable,
  cost: CostChoice,
  options: DqnOptions,
): Promise<{ costs: ExitCosts; costUnit: string }> {
  const { exits, classes } = validation;
  const { lambdaRange } = options;
  const { hidden, dueling } = agentLayers(options, exits);
  if (typeof cost === "object") return { costs: costsOf(cost.costs, exits, "cost"), costUnit: cost.unit };
  const costs = exitCosts(network, { hidden, dueling });
  if (cost === "macs") return { costs, costUnit: "MACs" };
  const weights = initialQWeights({ inputs: stateWidth(exits, classes) + 1, hidden, dueling }, 0);
  const agent: Agent = { ...plainRule(exits), weights, hidden, dueling, exits, classes, lambdaRange };
  const leaving = costs.exitMacs.map((_, exit) =>
    nestedGraph(network, {
      agent: fixedExitAgent(agent, exit),
      costs,
      lambda: lambdaRange.from,
      calibration: [],
      validation,
    }),
  );
  const [image] = evaluationBatches(samples, 1, pictureOf(network).normalisation);
  const feeds = firstFeeds(image!.images, 1, lambdaRange.from);
  return { costs: await measureExitTimes(runtime, leaving, fullNetworkGraph(network), feeds), costUnit: "ms" };
}

export interface ContinueLearningOptions extends LearnHooks {
  readonly policy: LearnedPolicy;
  /** Exit table of new labelled images, which the network was not trained on. */
  readonly feedback: ExitTable;
  readonly runtime?: Runtime;
}

/**
 * Learns on from new images. The old policy stays unless the new one is better on images that it neither learned from nor was
 * selected on. A new policy's dial is calibrated on these; its validation table holds both parts that it knows.
 *
 * @throws {UserError} if there are too few images, or they are of another network
 */
export async function continueLearning(
  given: ContinueLearningOptions,
): Promise<{ policy: LearnedPolicy; judgement: Judgement }> {
  const { policy, feedback, runtime = createNodeRuntime(), options = {}, onProgress, signal } = given;
  const { costs } = policy;
  const hooks = { ...(onProgress ? { onProgress } : {}), ...(signal ? { signal } : {}) };
  const { agent, judgement, split } = await learnOn(runtime, policy.agent, feedback, costs, { ...options, ...hooks });
  if (!judgement.better) return { policy, judgement };
  const dial = await calibrated(runtime, agent, tableSubset(feedback, split.judge), costs);
  const known = Uint32Array.from([...split.learn, ...split.select]).sort();
  const { thresholds: _, choice: __, decider: ___, ...kept } = policy; // they were tuned on other images
  return { policy: { ...kept, agent, ...dial, validation: tableSubset(feedback, known) }, judgement };
}

export interface EvaluateOptions extends Omit<SplitEvaluation, "policy" | "runtime"> {
  readonly policy: LearnedPolicy | null;
  readonly runtime?: Runtime;
}

/**
 * All figures of a policy on a split, beside every yardstick; the yardsticks are fitted to the validation images.
 *
 * @throws {UserError} if there is no policy, no such split, no such decider, or lambda is outside the agent's range
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationFigures> {
  return evaluateOnRuntime(withPolicy(options));
}

/** The same with what plots need: confidence and calibration in bins, curves over lambda. @throws {UserError} as `evaluate` does */
export async function evaluateInDetail(options: EvaluateOptions): Promise<DetailedResult> {
  return detailOnRuntime(withPolicy(options));
}

function withPolicy({ policy, runtime = createNodeRuntime(), ...others }: EvaluateOptions): SplitEvaluation {
  if (!policy)
    throw new UserError("evaluate: a model with a policy expected, found a network alone; run 'earlyexit learn' first");
  return { ...others, policy, runtime };
}

export interface EvaluateTableOptions extends Omit<TableEvaluation, "runtime"> {
  readonly runtime?: Runtime;
}

/** The same from an exit table. @throws {UserError} if there is no such decider, or lambda is outside the agent's range */
export function evaluateTable({ runtime = createNodeRuntime(), ...given }: EvaluateTableOptions) {
  return evaluateOnTable({ ...given, runtime });
}

/** The same with what plots need. @throws {UserError} as `evaluateTable` does */
export function evaluateTableInDetail({ runtime = createNodeRuntime(), ...given }: EvaluateTableOptions) {
  return detailOnTable({ ...given, runtime });
}

/** An upper bound on cost, or a lower bound on accuracy. */
export type Bound =
  | { readonly kind: "macs" /** mean per image, at most */; readonly macs: number }
  | { readonly kind: "cost" /** mean per image, at most, in the unit of the policy's costs */; readonly cost: number }
  | { readonly kind: "savings" /** share of the full cost, at least */; readonly savings: number }
  | { readonly kind: "accuracy" /** 0..1, at least */; readonly accuracy: number };

/**
 * The point of the calibration (validation images, each decided on by what has not seen it) that meets a bound: that of the smallest lambda within a budget or with
 * such savings, that of the largest one with such an accuracy.
 *
 * @throws {UserError} saying what can be reached, if the bound cannot be met or is in another unit than the policy's costs
 */
export function pointWithin({ calibration, costUnit = "MACs" }: LearnedPolicy, bound: Bound): LambdaPoint {
  if (bound.kind === "macs" && costUnit !== "MACs")
    throw new UserError(
      `budget: one in ${costUnit} expected (the unit of this policy's costs), found one in MACs; give it in ${costUnit}`,
    );
  const lambda =
    bound.kind === "macs" || bound.kind === "cost"
      ? lambdaForBudget(calibration, bound.kind === "macs" ? bound.macs : bound.cost, costUnit)
      : bound.kind === "savings"
        ? lambdaForSavings(calibration, bound.savings)
        : lambdaForAccuracy(calibration, bound.accuracy);
  return calibration.find((point) => point.lambda === lambda)!;
}
