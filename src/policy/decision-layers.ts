/**
 * The Q-network as it is at one exit, as small as it can be with the same answers: an observation is mostly constants (where we are, what
 * it cost, zeros for what is to come) and sums of a few numbers, so all of these fold into its first layer; units that can never open
 * there are left out, and so is what no unit sees.
 *
 * Letters: E exits, K classes, k exit, A_k numbers that exit k's answer is told by (`exitAnswer`).
 */

import { dialOf, featureColumn, featuresOfAnswer } from "../exits/observation.ts";
import type { NamedArray } from "../network/weights.ts";
import type { Agent } from "./agent.ts";
import { ACTIONS } from "./q-network.ts";

/** y = x weight^T + bias, weight [out, in] */
export interface Dense {
  readonly weight: NamedArray;
  readonly bias: NamedArray;
}

/** What decides at one exit: layers with ReLU between them, from some of the numbers of its own answer, and the dial, to [2] Q-values. */
export interface ExitLayers {
  /** What the first layer takes, in this order. Where the agent looks back: the dial, then all numbers of all exits passed. */
  readonly sees: readonly Seen[];
  readonly layers: readonly Dense[];
}

/** Number `part`, 0..A_k - 1, of what exit `exit` said; or the dial. */
export type Seen = "dial" | { readonly exit: number; readonly part: number };

export interface DecisionLayers {
  /** Whether any exit's decision depends on what was said at one before it: else nothing of that is carried along. */
  readonly looksBack: boolean;
  /** [E - 1] by exit, counted from 0 */
  readonly at: readonly ExitLayers[];
}

/** @param costShares [E] */
export function decisionLayers(agent: Agent, costShares: readonly number[]): DecisionLayers {
  const at = costShares.slice(0, -1).map((_, exit) => opened(layersAt(agent, exit, costShares), agent));
  const looksBack = at.some(({ sees, layers }, exit) =>
    sees.some((one, column) => !isOwn(one, exit, agent.classes) && isUsed(layers[0]!, column)),
  );
  return { looksBack, at: looksBack ? at : at.map(ownAlone) };
}

/** The dial, and numbers that this exit tells without those before it: all but the last one from exit 1 on, which is agreement. */
function isOwn(seen: Seen, exit: number, classes: number): boolean {
  return seen === "dial" || (seen.exit === exit && seen.part <= Math.min(3, classes));
}

function isUsed({ weight }: Dense, column: number): boolean {
  const [outputs, inputs] = weight.shape as [number, number];
  return Array.from({ length: outputs }, (_, out) => weight.data[out * inputs + column]!).some((one) => one !== 0);
}

/** Every column of the answers so far, and every unit. */
function layersAt(agent: Agent, exit: number, costShares: readonly number[]): ExitLayers {
  const { exits, classes } = agent;
  const [{ weight, bias }, ...others] = denseLayers(agent) as [Dense, ...Dense[]];
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
  const told = Array.from({ length: exit + 1 }, (_, k) =>
    featuresOfAnswer(classes, k)[0]!.map((_, part) => ({ exit: k, part })),
  );
  const first = { weight: matrix(rows), bias: { shape: bias.shape, data: offsets } };
  return { sees: ["dial", ...told.flat()], layers: [first, ...others] };
}

/** What the weights of one exit's features come to, per number of its answer. */
function answerColumns(row: Float32Array, from: number, classes: number, exit: number): number[] {
  const columns: number[] = [];
  for (const [feature, shares] of featuresOfAnswer(classes, exit).entries())
    for (const [a, share] of shares.entries()) columns[a] = (columns[a] ?? 0) + share * row[from + feature]!;
  return columns;
}

/** Without the units of the first layer that no observation can open, or that nothing behind them uses; with one at least. */
function opened({ sees, layers }: ExitLayers, agent: Agent): ExitLayers {
  const [first, second, ...others] = layers as [Dense, Dense | undefined, ...Dense[]];
  if (!second) return { sees, layers };
  const bounds = sees.map((one) => boundsOf(one, agent));
  const columns = sees.length;
  const most = (unit: number): number =>
    bounds.reduce((sum, [low, high], i) => {
      const weight = first.weight.data[unit * columns + i]!;
      return sum + Math.max(weight * low, weight * high);
    }, first.bias.data[unit]!);
  const open = [...first.bias.data.keys()].filter((unit) => most(unit) > 0 && isUsed(second, unit));
  const units = open.length > 0 ? open : [0];
  const rows = units.map((unit) => [...first.weight.data.subarray(unit * columns, (unit + 1) * columns)]);
  const bias = Float32Array.from(units, (unit) => first.bias.data[unit]!);
  const width = second.weight.shape[1]!;
  const next = Array.from({ length: second.weight.shape[0]! }, (_, out) =>
    units.map((unit) => second.weight.data[out * width + unit]!),
  );
  const smaller = { weight: matrix(rows), bias: { shape: [units.length], data: bias } };
  return { sees, layers: [smaller, { ...second, weight: matrix(next) }, ...others] };
}

/** Between which values a number lies: sum p log p, the largest probabilities, agreement, or the dial. */
function boundsOf(seen: Seen, { classes, lambdaRange }: Agent): readonly [low: number, high: number] {
  if (seen === "dial") return [dialOf(lambdaRange.from), dialOf(lambdaRange.to)];
  const { part } = seen;
  if (part === 0) return [-Math.log(classes), 0];
  return [0, part <= Math.min(3, classes) ? 1 / part : 1];
}

/** The same, for no more than the exit's own numbers that are used and the dial: of probabilities the largest ones, as many as it takes. */
function ownAlone({ sees, layers }: ExitLayers, exit: number): ExitLayers {
  const [first, ...others] = layers as [Dense, ...Dense[]];
  const own = [...sees.keys()].filter((i) => {
    const one = sees[i]!;
    return one !== "dial" && one.exit === exit && isUsed(first, i);
  });
  const partOf = (i: number): number => (sees[i] as { part: number }).part;
  const most = Math.max(0, ...own.map(partOf));
  const chosen = [...sees.keys()].filter((i) => {
    const one = sees[i]!;
    return one !== "dial" && one.exit === exit && (own.includes(i) || (one.part >= 1 && one.part <= most));
  });
  const columns = [...chosen, 0]; // the dial comes last
  const [outputs, inputs] = first.weight.shape as [number, number];
  const rows = Array.from({ length: outputs }, (_, out) => columns.map((i) => first.weight.data[out * inputs + i]!));
  return { sees: columns.map((i) => sees[i]!), layers: [{ ...first, weight: matrix(rows) }, ...others] };
}

function matrix(rows: readonly (readonly number[])[]): NamedArray {
  return { shape: [rows.length, rows[0]!.length], data: Float32Array.from(rows.flat()) };
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
