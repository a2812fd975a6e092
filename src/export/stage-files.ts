import { dialTensor } from "../exits/observation.ts";
import { compare } from "../graph/elementwise.ts";
import { concat, slice } from "../graph/layout.ts";
import { logSoftmax } from "../graph/loss.ts";
import { type GraphDefinition, serialize } from "../graph/onnx.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import { stageBuilder } from "../inference/stage-programs.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { PreciseAnswers } from "../policy/unsure.ts";
import { describeFile, type ExportedFile } from "./manifest.ts";
import { clippedLambda, normalised, perImage, unsureRows } from "./stage.ts";

/** Written into the manifest beside each input and output. */
const MEANINGS = {
  image: "pictures, channels first (red, green, blue where there are three), values 0 to 255; normalised inside",
  lambda:
    "price of the full network in units of one correct answer; moved into the range that the agent was trained for",
  features: "maps of the stage before",
  history: "what the agent saw at the exits before",
  top_class: "class of the exit before",
  log_probabilities: "of each class at the exit before",
  probabilities: "of each class at this exit",
  unsure:
    "1 where no class is to be named if a picture leaves here, since the answer is less sure than `precise.least`; else 0",
  exit_now: "1 where a picture leaves here with these probabilities, else 0; always 1 at the last exit",
  q: "what the agent expects from going on and from leaving",
  next_features: "maps for the next stage",
  next_history: "what the agent saw so far, for the next stage",
  next_top_class: "this exit's class, for the next stage",
  next_log_probabilities: "of each class at this exit, for the next stage",
};

export interface StageGraphOptions {
  /** Pictures per run; null: any number. */
  readonly batch: number | null;
  /** From which confidence on a class is named; absent: always. */
  readonly precise?: PreciseAnswers | undefined;
}

/**
 * One graph per stage. What flows: the output `next_x` of a stage is the input `x` of the next one.
 *
 *     image [B, C, H, W] 0..255 at stage 1; then features [B, C', H', W'], log_probabilities [B, K]; lambda scalar; where the agent looks
 *     back history [B, A_0 + ...], top_class [B, 1]
 *     -> probabilities [B, K], exit_now [B, 1]; but for the last stage q [B, 2], next_features, next_log_probabilities and, where
 *        the next one decides too and looks back, next_history, next_top_class; where a least confidence is given, unsure [B, 1]
 */
export function stageFileGraphs(
  network: StagedNetwork,
  policy: LearnedPolicy,
  { batch, precise }: StageGraphOptions,
): GraphDefinition[] {
  const build = stageBuilder(network, policy);
  const dial = dialTensor(clippedLambda(input("lambda", []), policy.agent));
  const { shape, normalisation } = pictureOf(network);
  const image = input("image", [batch ?? 1, ...shape]);
  const anyBatch = batch === null;
  const last = network.stages.length - 1; // decides nothing, and is not told what the agent saw
  let from: readonly Tensor[] = [normalised(image, normalisation)];
  let history: Tensor | null = null;
  let topClass: Tensor | null = null;
  let before: Tensor | null = null;
  return network.stages.map((_, exit) => {
    const seenBefore: readonly Tensor[] = history ? [history] : [];
    const stage = build(exit, {
      from,
      seen: (logits) => concat([perImage(dial, logits), ...seenBefore], 1),
      topClass,
      before,
    });
    const { probabilities, decision } = stage;
    const always = compare(slice(probabilities, 1, 0, 1), "GreaterOrEqual", scalar(0));
    const unsure = precise ? { unsure: unsureRows(probabilities, precise.least) } : {};
    const outputs = { probabilities, exit_now: decision?.exitNow ?? always, ...unsure };
    if (!decision) return { outputs, anyBatch };
    const { answer, topClass: top } = decision;
    const next = top ? { history: concat([...seenBefore, ...answer], 1), topClass: top } : null;
    const names = stage.handsOn.map((_, i) => (i === 0 ? "features" : `features_${i + 1}`));
    from = stage.handsOn.map(({ shape, type }, i) => input(names[i]!, shape, type));
    history = next && input("history", next.history.shape);
    topClass = next && input("top_class", next.topClass.shape);
    before = input("log_probabilities", stage.scores.shape);
    const forDeciding = next ? { next_history: next.history, next_top_class: next.topClass } : {};
    const maps = Object.fromEntries(stage.handsOn.map((one, i) => [`next_${names[i]}`, one]));
    const answered = { ...maps, next_log_probabilities: logSoftmax(stage.scores) };
    const handedOn = { ...answered, ...(exit < last - 1 ? forDeciding : {}) };
    return { outputs: { ...outputs, q: decision.q, ...handedOn }, anyBatch };
  });
}

/** `stage-1.onnx` to `stage-E.onnx` with their descriptions. */
export function buildStageFiles(
  network: StagedNetwork,
  policy: LearnedPolicy,
  options: StageGraphOptions,
  about: Pick<GraphDefinition, "metadata" | "opset">,
): Promise<ExportedFile[]> {
  return Promise.all(
    stageFileGraphs(network, policy, options).map((definition, k) => {
      const graph = { ...definition, ...about };
      return describeFile(`stage-${k + 1}.onnx`, graph, serialize(graph), MEANINGS);
    }),
  );
}
