/** The part of an accuracy/cost plot in which the choice is made: where accuracy still rises steeply, and where it stops doing so. */
import type { Curve } from "./data.ts";

export interface Window {
  /** [from, to] */
  readonly costMacs: readonly [number, number];
  /** [from, to], 0..1 */
  readonly accuracy: readonly [number, number];
}

/** Accuracy lost against the best: from here on lambdas give up more than most would. */
const MOST_LOST = 0.05;
/** Of the frame, on each side, so that nothing lies on its edge. */
const MARGIN = 0.08;

/**
 * The window around the agent's points (the first line's, where there is no agent) within 5 percentage points of its best accuracy: their
 * costs, and what the other lines reach above that at such costs. null where it would show nearly as much as the whole plot, or the line is a
 * single point.
 */
export function kneeOf(curves: readonly Curve[]): Window | null {
  const line = curves.find(({ name }) => name === "dqn") ?? curves.find(({ points }) => points.length > 1);
  if (!line || line.points.length < 2) return null;
  const best = Math.max(...line.points.map(({ accuracy }) => accuracy));
  const near = line.points.filter(({ accuracy }) => accuracy >= best - MOST_LOST);
  const all = curves.flatMap(({ points }) => points);
  const costs = widened(near.map(({ costMacs }) => costMacs));
  const above = all.filter(
    ({ costMacs, accuracy }) => costMacs >= costs[0] && costMacs <= costs[1] && accuracy >= best - MOST_LOST,
  );
  const accuracies = widened([...near, ...above].map(({ accuracy }) => accuracy));
  const isNearer =
    isShorter(
      costs,
      all.map(({ costMacs }) => costMacs),
    ) ||
    isShorter(
      accuracies,
      all.map(({ accuracy }) => accuracy),
    );
  if (!isNearer || costs[0] === costs[1]) return null;
  return { costMacs: costs, accuracy: [accuracies[0], Math.min(1, accuracies[1])] };
}

/** Whether it is worth looking at alone. */
function isShorter([from, to]: readonly [number, number], values: readonly number[]): boolean {
  return to - from < 0.8 * (Math.max(...values) - Math.min(...values));
}

function widened(values: readonly number[]): [number, number] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const margin = MARGIN * (most - least);
  return [Math.max(least / 2, least - margin), most + margin]; // above 0, as a logarithmic axis needs it
}
