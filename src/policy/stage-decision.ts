/**
 * The agent as the end of one stage's graph: from what its exit says to the decision, in as few nodes as tell it.
 *
 * Letters: B batch, K classes, k exit, A_k numbers that exit k's answer is told by.
 */

import { exitAnswer, ownNumbers } from "../exits/observation.ts";
import { cast, compare, relu } from "../graph/elementwise.ts";
import { concat, slice } from "../graph/layout.ts";
import { linear } from "../graph/linear.ts";
import { constant, node, type Tensor } from "../graph/tensor.ts";
import type { NamedArray } from "../network/weights.ts";
import type { DecisionLayers } from "./decision-layers.ts";

export interface StageInputs {
  readonly exit: number;
  /** [B, K] this exit's answer, see `exitScores` */
  readonly scores: Tensor;
  /** [B, 1] the dial; where the agent looks back [B, 1 + A_0 + ... + A_{k-1}], with `answer` of every exit before */
  readonly seen: Tensor;
  /** [B, 1] `topClass` of the stage before; null at exit 0, and where the agent does not look back */
  readonly previousTopClass: Tensor | null;
}

export interface StageDecision {
  /** [B, K] */
  readonly probabilities: Tensor;
  /** [B, A_k] in parts, see `exitAnswer`; none where the agent does not look back */
  readonly answer: readonly Tensor[];
  /** `seen` of the next stage */
  readonly seenByNow: Tensor;
  /** [B, 2] of `continue` and `exit`; means nothing at the last exit */
  readonly q: Tensor;
  /** [B, 1] 1 where exiting is worth at least as much as going on: at a tie the cheaper one */
  readonly exitNow: Tensor;
  /** [B] the contrary as truth values, in two nodes where `exitNow` takes four: for graphs that act on it themselves */
  readonly goesOn: Tensor;
  /** [B, 1], for the next stage; null where the agent does not look back */
  readonly topClass: Tensor | null;
}

/** From an exit's answer to the decision: the same as the agent on the whole observation, but for rounding. */
export function stageDecision({ looksBack, at }: DecisionLayers, stage: StageInputs): StageDecision {
  const { exit, scores, seen, previousTopClass } = stage;
  const { sees, layers } = at[exit]!;
  const told = looksBack ? exitAnswer(scores, previousTopClass) : null;
  const own =
    told ??
    ownNumbers(
      scores,
      sees.flatMap((one) => (one === "dial" ? [] : [one.part])),
    );
  const { probabilities, answer } = own;
  const observed = concat(told ? [seen, ...answer] : [...answer, seen], 1);
  const q = layers.reduce<Tensor>((x, layer, i) => {
    const y = linear(x, asConstant(layer.weight), asConstant(layer.bias));
    return i < layers.length - 1 ? relu(y) : y;
  }, observed);
  const exitNow = compare(slice(q, 1, 1, 2), "GreaterOrEqual", slice(q, 1, 0, 1));
  const smallest = node("ArgMin", [q], { axis: 1, keepdims: 0 }, [q.shape[0]!], "int64"); // at a tie the first: `continue`
  const goesOn = cast(smallest, "bool");
  const carried = told
    ? { answer, seenByNow: observed, topClass: told.topClass }
    : { answer: [], seenByNow: seen, topClass: null };
  return { probabilities, ...carried, q, exitNow, goesOn };
}

function asConstant({ data, shape }: NamedArray): Tensor {
  return constant(data, shape);
}
