/**
 * Q-networks of one hidden layer in which every exit has units of its own, written as the plain layers that `qNetwork` knows. A unit
 * of exit k sees where the image stands, that exit's confidence, margin or entropy, and the dial; at any other exit its gate closes it.
 *
 *     h = relu(sum over features of w_f * feature_k + w_s * dial + b - GATE * [the image is not at k])
 *
 * What is known need not be learned: the price of going on, lambda * (c_{k+1} - c_k) / c_{E-1}, is written into units that nothing
 * changes; and that an exit is judged by its own margin is how the units are wired.
 * Letters: H units, E exits, D = S + 1 width of an observation, s the dial 1 + log10(lambda).
 */

import { CONTINUE, EXIT } from "../exits/environment.ts";
import type { LambdaRange } from "../exits/lambda-grid.ts";
import { dialOf, FEATURE, featureColumn, stateWidth } from "../exits/observation.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { normal, seededRandom, uniform } from "../random.ts";
import { ACTIONS } from "./q-network.ts";

/** What one unit sees at its exit, and what it adds to the two Q-values there. */
export interface ExitUnit {
  /** 0..E-1 */
  readonly exit: number;
  readonly bias: number;
  readonly dial: number;
  /** by `FEATURE` */
  readonly confidence?: number;
  readonly margin?: number;
  readonly entropy?: number;
  readonly toContinue: number;
  readonly toExit: number;
}

/** What closes a unit at another exit: far beyond what any unit adds up to. */
const GATE = 1e4;
/** Margins at which an exit's worth may bend. */
const KNOTS = [0, 0.25, 0.5, 0.75, 0.9];
/** Straight pieces of the price per factor of 10 in lambda: they are within 4% of it. */
const PIECES_PER_DECADE = 4;

/** The weights of a Q-network with these units, without duel. */
export function exitUnitWeights(units: readonly ExitUnit[], exits: number, classes: number): Map<string, NamedArray> {
  const inputs = stateWidth(exits, classes) + 1;
  const [weight, bias] = [new Float32Array(units.length * inputs), new Float32Array(units.length)];
  const actions = new Float32Array(ACTIONS * units.length);
  for (const [u, unit] of units.entries()) {
    const row = weight.subarray(u * inputs, (u + 1) * inputs);
    row.fill(-GATE, 0, exits);
    row[unit.exit] = 0;
    const own = featureColumn(exits, classes, unit.exit);
    for (const feature of ["confidence", "margin", "entropy"] as const)
      row[own + FEATURE[feature]] = unit[feature] ?? 0;
    row[inputs - 1] = unit.dial;
    bias[u] = unit.bias;
    actions[CONTINUE * units.length + u] = unit.toContinue;
    actions[EXIT * units.length + u] = unit.toExit;
  }
  return new Map([
    ["hidden.0.weight", { shape: [units.length, inputs], data: weight }],
    ["hidden.0.bias", { shape: [units.length], data: bias }],
    ["actions.weight", { shape: [ACTIONS, units.length], data: actions }],
    ["actions.bias", { shape: [ACTIONS], data: new Float32Array(ACTIONS) }],
  ]);
}

/** Whether unit `unit` of a first layer is closed at this exit. @param weight [H, D] */
export function isClosedAt({ shape, data }: NamedArray, unit: number, exit: number): boolean {
  return data[unit * shape[1]! + exit]! <= -GATE / 2;
}

/** Whether the weights are those of a network with units for each exit. */
export function hasExitUnits(weights: Weights): boolean {
  const first = weights.get("hidden.0.weight");
  return first?.data.some((value) => value <= -GATE / 2) ?? false;
}

/**
 * A piecewise linear function of the dial as units of one exit: `values[j]` at `dials[j]`, straight between them, constant outside.
 *
 * @param dials rising, at least one
 */
export function dialUnits(
  exit: number,
  dials: readonly number[],
  values: readonly number[],
  factor: number,
): ExitUnit[] {
  const constant = { exit, bias: 1, dial: 0, toContinue: factor * values[0]!, toExit: 0 };
  const slope = (j: number): number =>
    j < 0 || j > dials.length - 2 ? 0 : (values[j + 1]! - values[j]!) / (dials[j + 1]! - dials[j]!);
  const bends = dials.map((dial, j): ExitUnit => {
    const change = slope(j) - slope(j - 1);
    return { exit, bias: -dial, dial: 1, toContinue: factor * change, toExit: 0 };
  });
  return [constant, ...bends.filter(({ toContinue }) => toContinue !== 0)];
}

/** The price of going on from each exit but the last, as units. @param shares [E] c_k / c_{E-1} */
function priceUnits(shares: readonly number[], { from, to }: LambdaRange): ExitUnit[] {
  const [first, last] = [dialOf(from), dialOf(to)];
  const pieces = Math.ceil((last - first) * PIECES_PER_DECADE);
  const dials = Array.from({ length: pieces + 1 }, (_, j) =>
    pieces === 0 ? first : first + ((last - first) * j) / pieces,
  );
  const prices = dials.map((dial) => 10 ** (dial - 1));
  return shares.slice(0, -1).flatMap((share, exit) => dialUnits(exit, dials, prices, share - shares[exit + 1]!));
}

/**
 * What learning begins from: at every exit, leaving is worth (1 + margin) / 2, which is the confidence where no third class counts; going
 * on is worth the same less its price. Half of the units to be learned bend along the margin, the others along margin and dial, at random.
 *
 * @param count units to be learned, per exit
 */
export function initialExitUnits(
  shares: readonly number[],
  range: LambdaRange,
  count: number,
  seed: number,
): ExitUnit[] {
  const random = seededRandom(seed, 0xe1);
  const [first, last] = [dialOf(range.from), dialOf(range.to)];
  const learned = shares.flatMap((_, exit) =>
    Array.from({ length: count }, (_, u): ExitUnit => {
      const prior = u === 0 ? 0.5 : 0;
      if (u < KNOTS.length) return { exit, margin: 1, dial: 0, bias: -KNOTS[u]!, toContinue: prior, toExit: prior };
      const at = { margin: uniform(random), dial: first + (last - first) * uniform(random) };
      const [margin, dial] = [normal(random), normal(random) / Math.max(1, last - first)];
      return { exit, margin, dial, bias: -margin * at.margin - dial * at.dial, toContinue: 0, toExit: 0 };
    }),
  );
  const levels = shares.map((_, exit): ExitUnit => ({ exit, bias: 1, dial: 0, toContinue: 0.5, toExit: 0.5 }));
  return [...levels, ...priceUnits(shares, range), ...learned];
}

/** How many units there are, learned or not. */
export function exitUnitCount(exits: number, range: LambdaRange, count: number): number {
  const shares = Array.from({ length: exits }, (_, k) => (k + 1) / exits);
  return initialExitUnits(shares, range, count, 0).length;
}

/**
 * 1 for every weight that learning may change, else 0: of units that see a margin what they see and add, of constant ones what they add.
 * Gates stay, and so do prices.
 */
export function learnableWeights(weights: Weights, exits: number, classes: number): Map<string, NamedArray> {
  const first = weights.get("hidden.0.weight")!;
  const [units, inputs] = first.shape as [number, number];
  const mask = new Map([...weights].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }]));
  const [weight, bias, actions] = ["hidden.0.weight", "hidden.0.bias", "actions.weight"].map(
    (name) => mask.get(name)!.data,
  );
  for (let u = 0; u < units; u++) {
    const exit = Array.from({ length: exits }, (_, k) => k).find((k) => !isClosedAt(first, u, k))!;
    const margin = u * inputs + featureColumn(exits, classes, exit) + FEATURE.margin;
    const dial = u * inputs + inputs - 1;
    const seesMargin = first.data[margin] !== 0;
    if (seesMargin) for (const cell of [margin, dial]) weight![cell] = 1;
    if (seesMargin) bias![u] = 1;
    if (seesMargin || first.data[dial] === 0) for (let a = 0; a < ACTIONS; a++) actions![a * units + u] = 1;
  }
  return mask;
}
