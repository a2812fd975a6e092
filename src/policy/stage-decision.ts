/**
 * The agent as the end of one stage's graph, made small: an observation is mostly constants (where we are, what it cost, zeros
 * for what is to come) and sums of a few numbers, so all of these fold into the first layer of the Q-network. What is left
 * to compute are the few numbers themselves and the products.
 *
 * Letters: B batch, K classes, k exit, A_k numbers that exit k's answer is told by.
 */

import { exitAnswer, featureColumn, featuresOfAnswer } from "../exits/observation.ts";
import { cast, compare, relu } from "../graph/elementwise.ts";
import { concat, slice } from "../graph/layout.ts";
import { linear } from "../graph/linear.ts";
import { constant, node, type Tensor } from "../graph/tensor.ts";
import type { NamedArray } from "../network/weights.ts";
import type { Agent } from "./agent.ts";
import { ACTIONS } from "./q-network.ts";

export interface StageInputs {
  readonly exit: number;
  /** [E] */
  readonly costShares: readonly number[];
  /** [B, K] this exit's answer, see `AnswerRule` */
  readonly logProbabilities: Tensor;
  /** [B, 1 + A_0 + ... + A_{k-1}] what the agent knows already: the dial, then `answer` of every exit before */
  readonly seen: Tensor;
  /** [B, 1] `topClass` of the stage before, null at exit 0 */
  readonly previousTopClass: Tensor | null;
}

export interface StageDecision {
  /** [B, K] */
  readonly probabilities: Tensor;
  /** [B, A_k] in parts, see `exitAnswer` */
  readonly answer: readonly Tensor[];
  /** [B, 1 + A_0 + ... + A_k] `seen` of the next stage */
  readonly seenByNow: Tensor;
  /** [B, 2] of `continue` and `exit`; means nothing at the last exit */
  readonly q: Tensor;
  /** [B, 1] 1 where exiting is worth at least as much as going on: at a tie the cheaper one */
  readonly exitNow: Tensor;
  /** [B] the contrary as truth values, in two nodes where `exitNow` takes four: for graphs that act on it themselves */
  readonly goesOn: Tensor;
  /** [B, 1], for the next stage */
  readonly topClass: Tensor;
}

/** From an exit's answer to the decision: the same as the agent on the whole observation, but for rounding. */
export function stageDecision(agent: Agent, stage: StageInputs): StageDecision {
  const { exit, logProbabilities, seen, previousTopClass } = stage;
  const { probabilities, answer, topClass } = exitAnswer(logProbabilities, previousTopClass);
  const seenByNow = concat([seen, ...answer], 1);
  const [first, ...others] = denseLayers(agent);
  const layers = [atExit(first!, agent, exit, stage.costShares), ...others];
  const q = layers.reduce<Tensor>((x, layer, i) => {
    const y = linear(x, asConstant(layer.weight), asConstant(layer.bias));
    return i < layers.length - 1 ? relu(y) : y;
  }, seenByNow);
  const exitNow = compare(slice(q, 1, 1, 2), "GreaterOrEqual", slice(q, 1, 0, 1));
  const smallest = node("ArgMin", [q], { axis: 1, keepdims: 0 }, [q.shape[0]!], "int64"); // at a tie the first: `continue`
  const goesOn = cast(smallest, "bool");
  return { probabilities, answer, seenByNow, q, exitNow, goesOn, topClass };
}

/** y = x weight^T + bias, weight [out, in] */
interface Dense {
  readonly weight: NamedArray;
  readonly bias: NamedArray;
}

function asConstant({ data, shape }: NamedArray): Tensor {
  return constant(data, shape);
}

/** The Q-network as plain layers; a dueling pair of heads is one layer: Q = V + A - mean(A). */
function denseLayers({ weights, hidden, dueling }: Agent): Dense[] {
  const layer = (name: string): Dense => ({
    weight: weights.get(`${name}.weight`)!,
    bias: weights.get(`${name}.bias`)!,
  });
  const body = hidden.map((_, i) => layer(`hidden.${i}`));
  return [...body, dueling ? duelingLayer(layer("value"), layer("advantage")) : layer("actions")];
}

function duelingLayer(value: Dense, advantage: Dense): Dense {
  const both = (name: "weight" | "bias"): NamedArray => {
    const [v, a] = [value[name].data, advantage[name].data];
    const width = v.length;
    const data = a.map((one, i) => {
      const column = i % width;
      let sum = 0;
      for (let action = 0; action < ACTIONS; action++) sum += a[action * width + column]!;
      return v[column]! + one - sum / ACTIONS;
    });
    return { shape: advantage[name].shape, data };
  };
  return { weight: both("weight"), bias: both("bias") };
}

/** The first layer as it is at one exit, for the columns of `seen` and of this exit's answer only. */
function atExit(
  { weight, bias }: Dense,
  { exits, classes }: Agent,
  exit: number,
  costShares: readonly number[],
): Dense {
  const [outputs, inputs] = weight.shape as [number, number];
  const rows: number[][] = [];
  const offsets = new Float32Array(outputs);
  for (let out = 0; out < outputs; out++) {
    const row = weight.data.subarray(out * inputs, (out + 1) * inputs);
    offsets[out] = bias.data[out]! + row[exit]! + row[exits]! * costShares[exit]!;
    const columns = [row[inputs - 1]!]; // the dial
    for (let k = 0; k <= exit; k++) columns.push(...answerColumns(row, featureColumn(exits, classes, k), classes, k));
    rows.push(columns);
  }
  const shape = [outputs, rows[0]!.length];
  return { weight: { shape, data: Float32Array.from(rows.flat()) }, bias: { shape: bias.shape, data: offsets } };
}

/** What the weights of one exit's features come to, per number of its answer. */
function answerColumns(row: Float32Array, from: number, classes: number, exit: number): number[] {
  const columns: number[] = [];
  for (const [feature, shares] of featuresOfAnswer(classes, exit).entries())
    for (const [a, share] of shares.entries()) columns[a] = (columns[a] ?? 0) + share * row[from + feature]!;
  return columns;
}
