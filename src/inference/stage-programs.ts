import { scale } from "../graph/elementwise.ts";
import { softmax } from "../graph/loss.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, type Shape } from "../graph/tensor.ts";
import type { LearnedPolicy } from "../model/model.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { buildInferenceGraph, buildInferenceStage } from "../network/inference-graph.ts";
import { stageDecision } from "../policy/agent.ts";
import { costShares, featureCount } from "../policy/observation.ts";
import type { TrainedNetwork } from "../training/train.ts";

/**
 * One graph per stage: from what the stage before left behind to the probabilities of this exit and the agent's decision.
 * At the last exit there is nothing to decide, and nothing of the agent is computed.
 *
 * Inputs: x [B, C, H, W] (images at stage 0); from stage 1 on topClass [B, 1]; where there is a decision lambda [B, 1] and,
 * from stage 1 on, history [B, k * F].
 * Outputs: probabilities [B, K], exitFeatures [B, F]; where there is a decision q [B, 2] and exitNow [B, 1]; and what the next
 * stage takes: next:x, next:topClass and, if it decides, next:history.
 */
export function stageGraphs(network: TrainedNetwork, { agent, costs }: LearnedPolicy): GraphDefinition[] {
  const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights);
  const classes = network.classes.length;
  const perExit = featureCount(classes);
  const graphs: GraphDefinition[] = [];
  let shape: Shape = [1, ...blueprint.input];
  for (const exit of blueprint.stages.keys()) {
    const x = input("x", shape);
    const { features, logits } = buildInferenceStage(blueprint, weights, classes, exit, x);
    const decision = stageDecision(agent, {
      exit,
      costShares: costShares(costs),
      logits,
      history: exit === 0 ? null : input("history", [1, exit * perExit]),
      previousTopClass: exit === 0 ? null : input("topClass", [1, 1]),
      lambda: input("lambda", [1, 1]),
    });
    const last = blueprint.stages.length - 1;
    const decided = { q: decision.q, exitNow: decision.exitNow };
    const handedOn = { "next:x": features, "next:topClass": decision.topClass };
    graphs.push({
      outputs: {
        probabilities: softmax(scale(logits, 1 / agent.temperatures[exit]!)),
        exitFeatures: decision.features,
        ...(exit < last ? { ...decided, ...handedOn } : {}),
        ...(exit < last - 1 ? { "next:history": decision.history } : {}),
      },
      anyBatch: true,
    });
    shape = features.shape;
  }
  return graphs;
}

/** What a user without early exit would run, as one graph: backbone and last head. Input x [B, C, H, W], output probabilities [B, K]. */
export function fullNetworkGraph(network: TrainedNetwork): GraphDefinition {
  const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights);
  const stages = buildInferenceGraph(blueprint, weights, network.classes.length, input("x", [1, ...blueprint.input]));
  return { outputs: { probabilities: softmax(stages.at(-1)!.logits) }, anyBatch: true };
}
