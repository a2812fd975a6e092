import { dialTensor } from "../exits/observation.ts";
import { reshape } from "../graph/broadcast.ts";
import { cast } from "../graph/elementwise.ts";
import { type GraphDefinition, serialize } from "../graph/onnx.ts";
import { input, integers, node, type Tensor } from "../graph/tensor.ts";
import { nestedExits } from "../inference/nested-exits.ts";
import { stageBuilder } from "../inference/stage-programs.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { PreciseAnswers } from "../policy/unsure.ts";
import { describeFile, type ExportedFile } from "./manifest.ts";
import { clippedLambda, normalised, unsureRows } from "./stage.ts";

const MEANINGS = {
  image: "one picture, channels first (red, green, blue where there are three), values 0 to 255; normalised inside",
  lambda:
    "price of the full network in units of one correct answer; moved into the range that the agent was trained for",
  class: "index of the answer in `classes`",
  probabilities: "of each class, at the exit taken",
  exit: "the exit taken, 1 to E",
  cost: "multiply-accumulates spent, decisions included",
  unsure: "1 where no class is to be named, since the answer is less sure than `precise.least`; else 0",
};

/**
 * The whole model as one graph that exits by itself, by nested `If`s (`nestedExits`).
 *
 *     image [1, C, H, W] 0..255, lambda scalar -> class [1], probabilities [1, K], exit [1] 1..E, cost [1] MACs and,
 *     where a least confidence is given, unsure [1]
 *
 * The batch is 1, since an `If` decides once for a whole batch. Neither input has a default: a lambda left out is an error.
 */
export function oneFileGraph(network: StagedNetwork, policy: LearnedPolicy, precise?: PreciseAnswers): GraphDefinition {
  const { shape, normalisation } = pictureOf(network);
  const image = normalised(input("image", [1, ...shape]), normalisation);
  const dial = reshape(dialTensor(clippedLambda(input("lambda", []), policy.agent)), [1, 1]);
  const macs = policy.costs.exitMacs.map(Math.round);
  const [probabilities, exit, cost] = nestedExits(stageBuilder(network, policy), [image], dial, (passed) => {
    const taken = passed.length - 1;
    return [passed[taken]!.probabilities, integers([taken + 1]), integers([macs[taken]!])];
  }) as [Tensor, Tensor, Tensor];
  const best = node("ArgMax", [probabilities], { axis: 1, keepdims: 0 }, [1], "int64"); // the first one at a tie
  const unsure = precise ? { unsure: cast(reshape(unsureRows(probabilities, precise.least), [1]), "int64") } : {};
  return { outputs: { class: best, probabilities, exit, cost, ...unsure } };
}

/** `model.onnx` with its description. */
export function buildOneFile(
  network: StagedNetwork,
  policy: LearnedPolicy,
  about: Pick<GraphDefinition, "metadata" | "opset">,
  precise?: PreciseAnswers,
): Promise<ExportedFile> {
  const graph = { ...oneFileGraph(network, policy, precise), ...about };
  return describeFile("model.onnx", graph, serialize(graph), MEANINGS);
}
