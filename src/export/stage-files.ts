import { compare } from "../graph/elementwise.ts";
import { slice } from "../graph/layout.ts";
import { type GraphDefinition, serialize } from "../graph/onnx.ts";
import { input, scalar } from "../graph/tensor.ts";
import type { LearnedPolicy } from "../model/model.ts";
import type { TrainedNetwork } from "../training/train.ts";
import { describeFile, type ExportedFile } from "./manifest.ts";
import { normalised, type StageFlow, stageBuilder } from "./stage.ts";

/** Written into the manifest beside each input and output. */
const MEANINGS = {
  image: "pictures, channels first (red, green, blue where there are three), values 0 to 255; normalised inside",
  lambda:
    "price of the full network in units of one correct answer; moved into the range that the agent was trained for",
  features: "maps of the stage before",
  history: "what the agent saw at the exits before",
  top_class: "answer of the exit before",
  probabilities: "of each class at this exit",
  exit_now: "1 where a picture leaves here with these probabilities, else 0; always 1 at the last exit",
  q: "what the agent expects from going on and from leaving",
  next_features: "maps for the next stage",
  next_history: "what the agent saw so far, for the next stage",
  next_top_class: "this exit's answer, for the next stage",
};

export interface StageGraphOptions {
  /** Pictures per run; null: any number. */
  readonly batch: number | null;
}

/**
 * One graph per stage. What flows: the output `next_x` of a stage is the input `x` of the next one.
 *
 *     image [B, C, H, W] 0..255 at stage 1; then features [B, C', H', W'], history [B, A_0 + ...], top_class [B, 1]; lambda scalar
 *     -> probabilities [B, K], exit_now [B, 1]; but for the last stage q [B, 2], next_features and, where the next one
 *        decides too, next_history, next_top_class
 */
export function stageFileGraphs(
  network: TrainedNetwork,
  policy: LearnedPolicy,
  { batch }: StageGraphOptions,
): GraphDefinition[] {
  const build = stageBuilder(network, policy);
  const image = input("image", [batch ?? 1, ...network.blueprint.input]);
  const anyBatch = batch === null;
  const last = network.blueprint.stages.length - 1; // decides nothing, and is not told what the agent saw
  let flow: StageFlow = {
    features: normalised(image, network.normalisation),
    history: null,
    topClass: null,
  };
  return network.blueprint.stages.map((_, exit) => {
    const { probabilities, decision, next } = build(exit, flow, input("lambda", []));
    const always = compare(slice(probabilities, 1, 0, 1), "GreaterOrEqual", scalar(0));
    const outputs = { probabilities, exit_now: decision?.exitNow ?? always };
    if (!decision || !next) return { outputs, anyBatch };
    const { features, history, topClass } = next;
    flow = {
      features: input("features", features.shape),
      history: input("history", history.shape),
      topClass: input("top_class", topClass.shape),
    };
    const forDeciding = { next_history: history, next_top_class: topClass };
    const handedOn = { next_features: features, ...(exit < last - 1 ? forDeciding : {}) };
    return { outputs: { ...outputs, q: decision.q, ...handedOn }, anyBatch };
  });
}

/** `stage-1.onnx` to `stage-E.onnx` with their descriptions. */
export function buildStageFiles(
  network: TrainedNetwork,
  policy: LearnedPolicy,
  options: StageGraphOptions,
  metadata: Readonly<Record<string, string>>,
): Promise<ExportedFile[]> {
  return Promise.all(
    stageFileGraphs(network, policy, options).map((definition, k) => {
      const graph = { ...definition, metadata };
      return describeFile(`stage-${k + 1}.onnx`, graph, serialize(graph), MEANINGS);
    }),
  );
}
