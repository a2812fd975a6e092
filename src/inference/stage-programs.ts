import { concat } from "../graph/layout.ts";
import { softmax } from "../graph/loss.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, type Shape, type Tensor } from "../graph/tensor.ts";
import type { LearnedPolicy } from "../model/model.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { buildInferenceGraph, buildInferenceStage } from "../network/inference-graph.ts";
import type { Agent } from "../policy/agent.ts";
import { answerCount, costShares, exitAnswer } from "../policy/observation.ts";
import { stageDecision } from "../policy/stage-decision.ts";
import type { TrainedNetwork } from "../training/train.ts";

/**
 * One graph per stage: from what the stage before left behind to the probabilities of this exit and the agent's decision.
 * At the last exit there is nothing to decide, and nothing of the agent is computed. Every input and output costs microseconds
 * at batch 1, so all that is small comes as one `answer`, read by `readTrace`.
 *
 * Inputs: x [B, C, H, W] (images at stage 0); where there is a decision seen [B, 1 + ...] and, from stage 1 on, topClass [B, 1].
 * Outputs: answer [B, K + A_k + 2], probabilities, what the agent sees of them (`exitAnswer`) and Q-values, these where
 * there is a decision; and, where there is a next stage, next:x.
 */
export function stageGraphs(network: TrainedNetwork, { agent, costs }: LearnedPolicy): GraphDefinition[] {
  const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights);
  const classes = network.classes.length;
  const graphs: GraphDefinition[] = [];
  let shape: Shape = [1, ...blueprint.input];
  let seen = 1;
  for (const exit of blueprint.stages.keys()) {
    const { features, logits } = buildInferenceStage(blueprint, weights, classes, exit, input("x", shape));
    const isLast = exit === blueprint.stages.length - 1;
    graphs.push({ outputs: isLast ? lastAnswer(logits, agent) : decided(), anyBatch: true });
    shape = features.shape;
    seen += answerCount(classes, exit);

    function decided() {
      const { probabilities, answer, q } = stageDecision(agent, {
        exit,
        costShares: costShares(costs),
        logits,
        seen: input("seen", [1, seen]),
        previousTopClass: exit === 0 ? null : input("topClass", [1, 1]),
      });
      return { answer: concat([probabilities, answer, q], 1), "next:x": features };
    }
  }
  return graphs;
}

function lastAnswer(logits: Tensor, { temperatures }: Agent) {
  const { probabilities, answer } = exitAnswer(logits, temperatures.at(-1)!, null);
  return { answer: concat([probabilities, answer], 1) };
}

/** What a user without early exit would run, as one graph: backbone and last head. Input x [B, C, H, W], output probabilities [B, K]. */
export function fullNetworkGraph(network: TrainedNetwork): GraphDefinition {
  const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights);
  const stages = buildInferenceGraph(blueprint, weights, network.classes.length, input("x", [1, ...blueprint.input]));
  return { outputs: { probabilities: softmax(stages.at(-1)!.logits) }, anyBatch: true };
}
