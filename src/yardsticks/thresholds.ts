import { returnOf } from "../exits/environment.ts";
import { type Episodes, featureAt } from "../exits/episodes.ts";
import { FEATURE } from "../exits/observation.ts";
import { integer, seededRandom } from "../random.ts";

export const SCORES = ["confidence", "margin", "entropy"] as const;
export type Score = (typeof SCORES)[number];

/** Stop at the first exit k whose score reaches `thresholds[k]` (entropy: falls to it or below); at the last exit anyway. */
export interface ThresholdRule {
  readonly score: Score;
  /** [E - 1]; +-1e9 where an exit is always or never taken */
  readonly thresholds: readonly number[];
}

const BEYOND = 1e9;
/** Thresholds tried per exit: quantiles of the score, or all values of a smaller table. */
const GRID = 256;
/** A sweep that gains less than this is the last one. */
const ENOUGH = 1e-12;
const MAX_SWEEPS = 50;

/** [E - 1] of [N]: the larger, the surer; entropy with its sign turned. */
function certainties(episodes: Episodes, score: Score): Float32Array[] {
  return Array.from({ length: episodes.exits - 1 }, (_, exit) => {
    const values = featureAt(episodes, exit, FEATURE[score]);
    return score === "entropy" ? values.map((value) => -value) : values;
  });
}

/** The exit [N] that the rule takes for each image. */
export function thresholdExits(episodes: Episodes, { score, thresholds }: ThresholdRule): Uint8Array {
  const sure = certainties(episodes, score);
  return exitsOf(sure, score === "entropy" ? thresholds.map((one) => -one) : thresholds, episodes.count);
}

function exitsOf(sure: readonly Float32Array[], cuts: readonly number[], count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => firstStop(sure, cuts, i, 0));
}

/** The exit at which image i stops, if it has not stopped before exit `from`. */
function firstStop(sure: readonly Float32Array[], cuts: readonly number[], i: number, from: number): number {
  let exit = from;
  while (exit < cuts.length && !(sure[exit]![i]! >= cuts[exit]!)) exit++;
  return exit;
}

/**
 * The thresholds that maximise `returnOf` on these episodes for one lambda.
 *
 * Coordinate ascent: with the other thresholds fixed, the best one of an exit is found exactly among all cuts of the grid, by
 * one pass over the images in the order of their score. Repeated from the last exit to the first until nothing is gained,
 * starting from every fixed exit and from `starts` random rules; the best end is kept. The optimum of each coordinate is
 * exact, the whole a very good local optimum.
 *
 * @param episodes of the validation images
 * @param options starts: random beginnings, default 12; seed: default 0
 */
export function tuneThresholds(
  episodes: Episodes,
  score: Score,
  lambda: number,
  { starts = 12, seed = 0 } = {},
): ThresholdRule {
  const { count, exits, correct, shares } = episodes;
  const sure = certainties(episodes, score);
  const orders = sure.map((values) =>
    Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => values[b]! - values[a]!),
  );
  const value = (i: number, exit: number): number => correct[i * exits + exit]! - lambda * shares[exit]!;
  let best: { cuts: number[]; worth: number } = { cuts: [], worth: -Infinity };
  for (const start of beginnings(sure, count, starts, seed)) {
    const cuts = [...start];
    let worth = -Infinity;
    for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
      for (let exit = cuts.length - 1; exit >= 0; exit--) cuts[exit] = bestCut(sure, orders[exit]!, cuts, exit, value);
      const reached = returnOf(exitsOf(sure, cuts, count), correct, shares, lambda);
      if (reached <= worth + ENOUGH) break;
      worth = reached;
    }
    if (worth > best.worth) best = { cuts, worth };
  }
  return { score, thresholds: score === "entropy" ? best.cuts.map((cut) => -cut) : best.cuts };
}

/**
 * One threshold for all exits before a last one, at which every image leaves that has come so far: the two numbers that maximise `returnOf`,
 * of equals the surest. Few images find two numbers more surely than one for each exit; every fixed exit is among the rules.
 */
export function tuneSharedThreshold(episodes: Episodes, score: Score, lambda: number): ThresholdRule {
  const { count, exits, correct, shares } = episodes;
  const sure = certainties(episodes, score);
  const candidates = [BEYOND, ...sharedCuts(sure)];
  let best: { cuts: number[]; worth: number } = { cuts: [], worth: -Infinity };
  for (let last = exits - 1; last >= 0; last--)
    for (const candidate of candidates) {
      const cuts = sure.map((_, exit) => (exit < last ? candidate : -BEYOND));
      const worth = returnOf(exitsOf(sure, cuts, count), correct, shares, lambda);
      if (worth > best.worth + ENOUGH) best = { cuts, worth };
    }
  return { score, thresholds: score === "entropy" ? best.cuts.map((cut) => -cut) : best.cuts };
}

/** Between neighbouring scores of all exits together, the highest first. */
function sharedCuts(sure: readonly Float32Array[]): number[] {
  const values = [...new Set(sure.flatMap((some) => [...some]))].sort((a, b) => b - a);
  const every = Math.max(1, Math.ceil(values.length / GRID));
  return values.slice(1).flatMap((value, m) => ((m + 1) % every === 0 ? [(value + values[m]!) / 2] : []));
}

/** Every fixed exit, then random images' own scores. */
function beginnings(sure: readonly Float32Array[], count: number, starts: number, seed: number): number[][] {
  const random = seededRandom(seed, 0x7435);
  const fixed = Array.from({ length: sure.length + 1 }, (_, k) =>
    sure.map((_, exit) => (exit === k ? -BEYOND : BEYOND)),
  );
  const drawn = Array.from({ length: starts }, () => sure.map((values) => values[integer(random, 0, count - 1)]!));
  return [...fixed, ...drawn];
}

/** The best cut of one exit: the sum of (stopping here - going on) over the surest images is largest; the lower cut at a tie. */
function bestCut(
  sure: readonly Float32Array[],
  order: Uint32Array,
  cuts: readonly number[],
  exit: number,
  value: (image: number, exit: number) => number,
): number {
  const values = sure[exit]!;
  const every = Math.max(1, Math.ceil(order.length / GRID));
  let [sum, best, cut] = [0, 0, BEYOND];
  for (let m = 0; m < order.length; m++) {
    const image = order[m]!;
    if (firstStop(sure, cuts, image, 0) >= exit)
      sum += value(image, exit) - value(image, firstStop(sure, cuts, image, exit + 1));
    const next = m + 1 < order.length ? values[order[m + 1]!]! : -BEYOND;
    const allowed = (m + 1) % every === 0 || m + 1 === order.length;
    if (!allowed || next === values[image]! || sum < best) continue;
    best = sum;
    cut = m + 1 === order.length ? -BEYOND : (values[image]! + next) / 2;
  }
  return cut;
}
