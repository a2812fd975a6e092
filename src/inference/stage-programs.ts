import { exitScores } from "../exits/answers.ts";
import { answerCount, costShares } from "../exits/observation.ts";
import { concat } from "../graph/layout.ts";
import { softmax } from "../graph/loss.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, node, type Tensor } from "../graph/tensor.ts";
import { buildStages, type StagedNetwork, type TensorSpec } from "../network/staged-network.ts";
import { decidingAgent } from "../policy/decider.ts";
import { decisionLayers } from "../policy/decision-layers.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { type StageDecision, stageDecision } from "../policy/stage-decision.ts";

/** What a stage takes from those before it. */
export interface StageFlow {
  /** What the stage before hands on; at stage 0 the network's inputs. Batch first. */
  readonly from: readonly Tensor[];
  /** The dial, and what else the agent knows by now, see `StageInputs.seen`. @param logits [B, K], which tell the batch */
  readonly seen: (logits: Tensor) => Tensor;
  /** [B, 1] the answer of the exit before, as a float; null at stage 0, and where the agent does not look back */
  readonly topClass: Tensor | null;
  /** [B, K] scores of the exit before; null at stage 0 */
  readonly before: Tensor | null;
}

export interface BuiltStage {
  /** For the next stage, batch first. */
  readonly handsOn: readonly Tensor[];
  /** [B, K] this exit's answer, see `exitScores` */
  readonly scores: Tensor;
  readonly probabilities: Tensor;
  /** null at the last exit, where there is nothing to decide */
  readonly decision: StageDecision | null;
}

export type BuildStage = (exit: number, flow: StageFlow) => BuiltStage;

/**
 * Returns what folds and builds each stage of the network, from the maps of the stage before to the agent's decision: for a stage
 * that is never built, nothing is done. It throws a {@link UserError} if a weight is missing.
 */
export function stageBuilder(network: StagedNetwork, policy: LearnedPolicy): BuildStage {
  const agent = decidingAgent(policy);
  const layers = decisionLayers(agent, costShares(policy.costs));
  return (exit, { from, seen, topClass, before }) => {
    const { handsOn, logits } = network.build(exit, from, "batchFirst");
    const scores = exitScores(agent, exit, logits, before);
    if (exit === agent.exits - 1) return { handsOn, scores, probabilities: softmax(scores), decision: null };
    const decision = stageDecision(layers, { exit, scores, seen: seen(logits), previousTopClass: topClass });
    return { handsOn, scores, probabilities: decision.probabilities, decision };
  };
}

/** Whether what decides depends, at any exit, on what was said at one before it: see `DecisionLayers`. */
export function looksBack(policy: LearnedPolicy): boolean {
  return decisionLayers(decidingAgent(policy), costShares(policy.costs)).looksBack;
}

/**
 * All that is told of one exit, in parts: scores [B, K]; where there is a decision also Q-values [B, 2] and, before them, what later
 * decisions need [B, A_k]. Every input and output costs microseconds at batch 1, so they come as one. Read by `readTrace`.
 */
export function exitRow({ scores, decision }: BuiltStage): Tensor[] {
  return [scores, ...(decision ? [...decision.answer, decision.q] : [])];
}

/**
 * Returns what builds the graph of each stage: from what the stage before left behind to the probabilities of this exit and the
 * agent's decision. At the last exit there is nothing to decide, and nothing of the agent is computed. Maps leave a stage only for
 * the images that go on: in a batch most of them would be carried out for nothing.
 *
 * Inputs: what the stage takes, named by `flowNames` (images at stage 0); from stage 1 on before [B, K]; where there is a decision
 * seen [B, 1 + ...] and, from stage 1 on, topClass [B, 1] if the agent looks back.
 * Outputs: answer, see `exitRow`; and, where there is a next stage, for each of its inputs `next:` and the name: that of the M images
 * that the agent sends on, [M, ...].
 */
export function stageGraphs(network: StagedNetwork, policy: LearnedPolicy): (exit: number) => GraphDefinition {
  const { classes } = network;
  const build = stageBuilder(network, policy);
  const remembers = looksBack(policy);
  return (exit) => {
    const before = remembers
      ? network.stages.slice(0, exit).reduce((sum, _, k) => sum + answerCount(classes.length, k), 0)
      : 0;
    const known = input("seen", [1, 1 + before]);
    const stage = build(exit, {
      from: stageInputs(network, exit),
      seen: () => known,
      topClass: exit === 0 || !remembers ? null : input("topClass", [1, 1]),
      before: exit === 0 ? null : input("before", [1, classes.length]),
    });
    const answer = concat(exitRow(stage), 1);
    if (!stage.decision) return { outputs: { answer }, anyBatch: true };
    const { goesOn } = stage.decision;
    const next = stage.handsOn.map((one) => node("Compress", [one, goesOn], { axis: 0 }, one.shape, one.type)); // [M, ...]
    const names = flowNames(next.length);
    return {
      outputs: { answer, ...Object.fromEntries(next.map((one, i) => [`next:${names[i]}`, one])) },
      anyBatch: true,
    };
  };
}

/** What flows from stage to stage, by name: x, x1, x2, ... */
export function flowNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? "x" : `x${i}`));
}

/** What a stage takes, as inputs of a graph named by `flowNames`, batch first. */
export function stageInputs(network: StagedNetwork, stage: number): Tensor[] {
  const specs: readonly TensorSpec[] =
    stage === 0
      ? network.inputs.map(({ shape, type }) => ({ shape: [1, ...shape], type }))
      : network.stages[stage - 1]!.handsOn;
  return flowNames(specs.length).map((name, i) => input(name, specs[i]!.shape, specs[i]!.type));
}

/**
 * What a user without early exit would run, as one graph: backbone and last head. Inputs named by `flowNames`, output
 * probabilities [B, K].
 */
export function fullNetworkGraph(network: StagedNetwork): GraphDefinition {
  const stages = buildStages(network, stageInputs(network, 0), "batchFirst");
  return { outputs: { probabilities: softmax(stages.at(-1)!.logits) }, anyBatch: true };
}
