import { reshape } from "../graph/layout.ts";
import { type GraphDefinition, serialize } from "../graph/onnx.ts";
import { input, integers, node, nodes, type Tensor } from "../graph/tensor.ts";
import type { LearnedPolicy } from "../model/model.ts";
import type { TrainedNetwork } from "../training/train.ts";
import { describeFile, type ExportedFile } from "./manifest.ts";
import { normalised, type StageFlow, stageBuilder } from "./stage.ts";

/** Numbers that the ONNX format gives to element types. */
const BOOL = 9;

const MEANINGS = {
  image: "one picture, channels first (red, green, blue where there are three), values 0 to 255; normalised inside",
  lambda:
    "price of the full network in units of one correct answer; moved into the range that the agent was trained for",
  class: "index of the answer in `classes`",
  probabilities: "of each class, at the exit taken",
  exit: "the exit taken, 1 to E",
  cost: "multiply-accumulates spent, decisions included",
};

/**
 * The whole model as one graph that exits by itself: after each stage but the last stands an `If`. Its one body returns this
 * exit's answer; the other holds the next stage and all that may follow, so that a stage after the exit taken is never computed.
 *
 *     image [1, C, H, W] 0..255, lambda scalar -> class [1], probabilities [1, K], exit [1] 1..E, cost [1] MACs
 *
 * The batch is 1, since an `If` decides once for a whole batch. Neither input has a default: a lambda left out is an error.
 */
export function oneFileGraph(network: TrainedNetwork, policy: LearnedPolicy): GraphDefinition {
  const build = stageBuilder(network, policy);
  const lambda = input("lambda", []);
  const image = input("image", [1, ...network.blueprint.input]);

  /** probabilities [1, K], exit [1] and cost [1] of an image that has come as far as stage `exit`. */
  function answerFrom(exit: number, flow: StageFlow): readonly [Tensor, Tensor, Tensor] {
    const { probabilities, decision, next } = build(exit, flow, lambda);
    const here = [probabilities, integers([exit + 1]), integers([Math.round(policy.costs.exitMacs[exit]!)])] as const;
    if (!decision || !next) return here;
    const condition = node("Cast", [reshape(decision.exitNow, [1])], { to: BOOL }, [1], "bool");
    const bodies = { then_branch: { graph: here }, else_branch: { graph: answerFrom(exit + 1, next) } };
    const [answer, taken, cost] = nodes("If", [condition], bodies, here) as [Tensor, Tensor, Tensor];
    return [answer, taken, cost];
  }

  const first = { features: normalised(image, network.normalisation), history: null, topClass: null };
  const [probabilities, exit, cost] = answerFrom(0, first);
  const best = node("ArgMax", [probabilities], { axis: 1, keepdims: 0 }, [1], "int64"); // the first one at a tie
  return { outputs: { class: best, probabilities, exit, cost } };
}

/** `model.onnx` with its description. */
export function buildOneFile(
  network: TrainedNetwork,
  policy: LearnedPolicy,
  metadata: Readonly<Record<string, string>>,
): Promise<ExportedFile> {
  const graph = { ...oneFileGraph(network, policy), metadata };
  return describeFile("model.onnx", graph, serialize(graph), MEANINGS);
}
