import { scale } from "../graph/elementwise.ts";
import { softmax } from "../graph/loss.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, type Shape, type Tensor } from "../graph/tensor.ts";
import type { LearnedPolicy } from "../model/model.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { buildInferenceStage } from "../network/inference-graph.ts";
import { stageDecision } from "../policy/agent.ts";
import { costShares, featureCount } from "../policy/observation.ts";
import type { TrainedNetwork } from "../training/train.ts";

/**
 * One graph per stage: from what the stage before left behind to the logits of this exit and the agent's decision.
 *
 * Inputs: x [B, C, H, W] (images at stage 0), lambda [B, 1] and, from stage 1 on, history [B, k * F], topClass [B, 1].
 * Outputs: x for the next stage, probabilities [B, K], q [B, 2], exitNow [B, 1], exitFeatures [B, F], history, topClass.
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
    const isLast = exit === blueprint.stages.length - 1;
    const handedOn: Record<string, Tensor> = isLast
      ? {}
      : { "next:x": features, "next:history": decision.history, "next:topClass": decision.topClass };
    graphs.push({
      outputs: {
        probabilities: softmax(scale(logits, 1 / agent.temperatures[exit]!)),
        q: decision.q,
        exitNow: decision.exitNow,
        exitFeatures: decision.features,
        ...handedOn,
      },
      anyBatch: true,
    });
    shape = features.shape;
  }
  return graphs;
}
