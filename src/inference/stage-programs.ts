import { exp } from "../graph/elementwise.ts";
import { concat } from "../graph/layout.ts";
import { softmax } from "../graph/loss.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, node, type Shape, type Tensor } from "../graph/tensor.ts";
import type { LearnedPolicy } from "../model/model.ts";
import { stageMaps } from "../network/cost.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { buildInferenceGraph, buildInferenceStage } from "../network/inference-graph.ts";
import { exitLogProbabilities } from "../policy/answers.ts";
import { answerCount, costShares } from "../policy/observation.ts";
import { type StageDecision, stageDecision } from "../policy/stage-decision.ts";
import type { TrainedNetwork } from "../training/train.ts";

/** What a stage takes from those before it. */
export interface StageFlow {
  /** [B, C, H, W] maps of the stage before; normalised images at stage 0 */
  readonly features: Tensor;
  /** [B, 1 + A_0 + ... + A_{k-1}] the dial, then what the agent saw at the exits before. @param logits [B, K], which tell the batch */
  readonly seen: (logits: Tensor) => Tensor;
  /** [B, 1] the answer of the exit before, as a float; null at stage 0 */
  readonly topClass: Tensor | null;
  /** [B, K] log p of the exit before; null at stage 0 */
  readonly before: Tensor | null;
}

export interface BuiltStage {
  /** [B, C, H, W] for the next stage */
  readonly features: Tensor;
  /** [B, K] this exit's answer, see `AnswerRule` */
  readonly logProbabilities: Tensor;
  readonly probabilities: Tensor;
  /** null at the last exit, where there is nothing to decide */
  readonly decision: StageDecision | null;
}

export type BuildStage = (exit: number, flow: StageFlow) => BuiltStage;

/**
 * Returns what folds and builds each stage of the network, from the maps of the stage before to the agent's decision: for a stage
 * that is never built, nothing is done. It throws a {@link UserError} if a weight is missing.
 */
export function stageBuilder(network: TrainedNetwork, { agent, costs }: LearnedPolicy): BuildStage {
  const shares = costShares(costs);
  return (exit, { features: x, seen, topClass, before }) => {
    const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights, [exit]);
    const { features, logits } = buildInferenceStage(blueprint, weights, network.classes.length, exit, x);
    const logProbabilities = exitLogProbabilities(agent, exit, logits, before);
    if (exit === agent.exits - 1)
      return { features, logProbabilities, probabilities: exp(logProbabilities), decision: null };
    const known = { costShares: shares, seen: seen(logits), previousTopClass: topClass };
    const decision = stageDecision(agent, { exit, logProbabilities, ...known });
    return { features, logProbabilities, probabilities: decision.probabilities, decision };
  };
}

/**
 * All that is told of one exit, in parts: log probabilities [B, K]; where there is a decision also what the agent sees of them [B, A_k]
 * and Q-values [B, 2]. Every input and output costs microseconds at batch 1, so they come as one. Read by `readTrace`.
 */
export function exitRow({ logProbabilities, decision }: BuiltStage): Tensor[] {
  return [logProbabilities, ...(decision ? [...decision.answer, decision.q] : [])];
}

/**
 * Returns what builds the graph of each stage: from what the stage before left behind to the probabilities of this exit and the
 * agent's decision. At the last exit there is nothing to decide, and nothing of the agent is computed. Maps leave a stage only for
 * the images that go on: in a batch most of them would be carried out for nothing.
 *
 * Inputs: x [B, C, H, W] (images at stage 0); from stage 1 on before [B, K]; where there is a decision seen [B, 1 + ...] and,
 * from stage 1 on, topClass [B, 1].
 * Outputs: answer, see `exitRow`; and, where there is a next stage, next:x of the M images that the agent
 * sends on, [M, C', H', W'].
 */
export function stageGraphs(network: TrainedNetwork, policy: LearnedPolicy): (exit: number) => GraphDefinition {
  const { blueprint, classes } = network;
  const build = stageBuilder(network, policy);
  const inputs: Shape[] = [[1, ...blueprint.input], ...stageMaps(blueprint, classes.length)];
  return (exit) => {
    const before = blueprint.stages.slice(0, exit).reduce((sum, _, k) => sum + answerCount(classes.length, k), 0);
    const known = input("seen", [1, 1 + before]);
    const stage = build(exit, {
      features: input("x", inputs[exit]!),
      seen: () => known,
      topClass: exit === 0 ? null : input("topClass", [1, 1]),
      before: exit === 0 ? null : input("before", [1, classes.length]),
    });
    const answer = concat(exitRow(stage), 1);
    if (!stage.decision) return { outputs: { answer }, anyBatch: true };
    const next = node("Compress", [stage.features, stage.decision.goesOn], { axis: 0 }, inputs[exit + 1]!); // [M, ...]
    return { outputs: { answer, "next:x": next }, anyBatch: true };
  };
}

/** What a user without early exit would run, as one graph: backbone and last head. Input x [B, C, H, W], output probabilities [B, K]. */
export function fullNetworkGraph(network: Pick<TrainedNetwork, "blueprint" | "weights" | "classes">): GraphDefinition {
  const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights);
  const stages = buildInferenceGraph(blueprint, weights, network.classes.length, input("x", [1, ...blueprint.input]));
  return { outputs: { probabilities: softmax(stages.at(-1)!.logits) }, anyBatch: true };
}
