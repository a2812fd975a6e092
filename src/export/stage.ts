/**
 * One stage as both kinds of export use it: from what the stage before left behind to this exit's answer and decision.
 * Letters: B batch, C channels, H, W, K classes, k exit, A_k numbers that tell exit k's answer.
 */
import type { Normalisation } from "../dataset/augmentation.ts";
import { add, compare, maximum, minimum, scale } from "../graph/elementwise.ts";
import { concat, slice } from "../graph/layout.ts";
import { addPerChannel, multiplyPerChannel } from "../graph/linear.ts";
import { softmax } from "../graph/loss.ts";
import { constant, scalar, type Tensor } from "../graph/tensor.ts";
import type { LearnedPolicy } from "../model/model.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { buildInferenceStage } from "../network/inference-graph.ts";
import type { Agent } from "../policy/agent.ts";
import { costShares, dialTensor } from "../policy/observation.ts";
import { stageDecision } from "../policy/stage-decision.ts";
import type { TrainedNetwork } from "../training/train.ts";

/** What flows from one stage to the next. */
export interface StageFlow {
  /** [B, C, H, W]; normalised images at stage 0 */
  readonly features: Tensor;
  /** [B, A_0 + ... + A_{k-1}] what the agent saw so far, see `stageDecision`; null at stage 0 */
  readonly history: Tensor | null;
  /** [B, 1] the last answer, as a float; null at stage 0 */
  readonly topClass: Tensor | null;
}

export interface StageResult {
  /** [B, K] temperature-scaled */
  readonly probabilities: Tensor;
  /** The agent's decision; null at the last exit, where there is none. */
  readonly decision: { readonly exitNow: Tensor /** [B, 1] 1 or 0 */; readonly q: Tensor /** [B, 2] */ } | null;
  /** null at the last exit */
  readonly next: { readonly [Name in keyof StageFlow]: Tensor } | null;
}

/** @param lambda scalar, clipped to what the agent was trained for */
export type BuildStage = (exit: number, flow: StageFlow, lambda: Tensor) => StageResult;

/**
 * Folds the network once and returns what builds each of its stages.
 *
 * @throws {UserError} if a weight is missing
 */
export function stageBuilder(network: TrainedNetwork, { agent, costs }: LearnedPolicy): BuildStage {
  const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights);
  const classes = network.classes.length;
  const shares = costShares(costs);
  return (exit, { features: x, history, topClass }, lambda) => {
    const { features, logits } = buildInferenceStage(blueprint, weights, classes, exit, x);
    if (exit === agent.exits - 1)
      return { probabilities: softmax(scale(logits, 1 / agent.temperatures[exit]!)), decision: null, next: null };
    const dial = perImage(dialTensor(clippedLambda(lambda, agent)), logits);
    const seen = history ? concat([dial, history], 1) : dial;
    const decided = stageDecision(agent, { exit, costShares: shares, logits, seen, previousTopClass: topClass });
    const { probabilities, answer } = decided;
    return {
      probabilities,
      decision: decided,
      next: { features, history: history ? concat([history, answer], 1) : answer, topClass: decided.topClass },
    };
  };
}

/** Nobody is told at run time that a lambda is out of range, so that it is moved to the nearest one that is not. */
function clippedLambda(lambda: Tensor, { lambdaRange: { from, to } }: Agent): Tensor {
  return minimum(maximum(lambda, scalar(from)), scalar(to));
}

/** No float32 is below it. */
const LOWEST = -3.4028234663852886e38;

/** A scalar as a column [B, 1]. @param logits [B, K], which tell the batch: no constant may hold it */
function perImage(value: Tensor, logits: Tensor): Tensor {
  const zeros = compare(slice(logits, 1, 0, 1), "Less", scalar(LOWEST)); // [B, 1]
  return add(zeros, value);
}

/** Bytes as floats to network input, (x / 255 - mean[c]) / std[c]. @param image [B, C, H, W] from 0 to 255 */
export function normalised(image: Tensor, { mean, std }: Normalisation): Tensor {
  const slope = constant(std.map((one) => 1 / (255 * one)));
  const offset = constant(mean.map((one, c) => -one / std[c]!));
  return addPerChannel(multiplyPerChannel(image, slope), offset);
}
