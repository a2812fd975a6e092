/** All stages as one graph that exits by itself, for one image a run: what the classifier runs, and what the one-file export is. */
import { concat } from "../graph/layout.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { constant, input, nodes, type Tensor } from "../graph/tensor.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { answerWidth } from "./classification.ts";
import { type BuildStage, type BuiltStage, exitRow, looksBack, stageBuilder, stageInputs } from "./stage-programs.ts";

/**
 * After each stage but the last stands an `If`. Its one body holds the next stage and all that may follow, so that a stage after
 * the exit taken is never computed; the other returns what is told where an image leaves. The batch is 1, since an `If` decides
 * once for a whole batch.
 *
 * @param inputs the network's, of one image: normalised
 * @param dial [1, 1] see `dialOf`
 * @param told what is returned by an image that leaves at the last of these exits: as many tensors, of the same shapes, for each
 */
export function nestedExits(
  build: BuildStage,
  inputs: readonly Tensor[],
  dial: Tensor,
  told: (passed: readonly BuiltStage[]) => readonly Tensor[],
): readonly Tensor[] {
  function from(passed: readonly BuiltStage[]): readonly Tensor[] {
    const before = passed.at(-1);
    const stage = build(passed.length, {
      from: before?.handsOn ?? inputs,
      seen: () => before?.decision?.seenByNow ?? dial,
      topClass: before?.decision?.topClass ?? null,
      before: before?.scores ?? null,
    });
    const here = told([...passed, stage]);
    if (!stage.decision) return here;
    const next = { graph: from([...passed, stage]), given: stage.handsOn };
    const bodies = { then_branch: next, else_branch: { graph: here } };
    return nodes("If", [stage.decision.goesOn], bodies, here);
  }
  return from([]);
}

/**
 * What the classifier runs for one image. The rows of all exits passed come as one output, since every output of every body costs
 * microseconds; what stands behind the exit taken is zeros that were never computed.
 *
 *     x [1, C, H, W] normalised, seen [1, 1] the dial -> answers [1, sum over exits of `answerWidth`]
 */
export function nestedGraph(network: StagedNetwork, policy: LearnedPolicy): GraphDefinition {
  const exits = network.stages.length;
  const told = { classes: network.classes.length, looksBack: looksBack(policy) };
  const widths = network.stages.map((_, exit) => answerWidth({ exit, isLast: exit === exits - 1, ...told }));
  const [answers] = nestedExits(
    stageBuilder(network, policy),
    stageInputs(network, 0),
    input("seen", [1, 1]),
    (passed) => {
      const missing = widths.slice(passed.length).reduce((sum, width) => sum + width, 0);
      const zeros = missing > 0 ? [constant(new Float32Array(missing), [1, missing])] : [];
      return [concat([...passed.flatMap(exitRow), ...zeros], 1)];
    },
  );
  return { outputs: { answers: answers! } };
}
