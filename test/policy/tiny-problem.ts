import type { Episodes } from "../../src/exits/episodes.ts";
import type { ExitCosts, ExitTable } from "../../src/exits/exit-table.ts";
import { stateWidth } from "../../src/exits/observation.ts";

export const TINY_COSTS: ExitCosts = { exitMacs: [1, 2, 4], fullMacs: 4 };

/** Kinds of images: how many, how large the logit of the answer at each exit, and how many of them each exit gets right. */
const KINDS = [
  { images: 40, logits: [4, 4, 4], right: [40, 40, 40] }, // easy
  { images: 40, logits: [1, 5, 5], right: [20, 30, 40] }, // the second exit helps, more so if it agrees with the first
  { images: 20, logits: [1, 2.5, 4], right: [10, 10, 20] }, // needs the last one
  { images: 20, logits: [2.5, 0.5, 0.5], right: [10, 10, 10] }, // hopeless
] as const;

/**
 * 120 images with few different observations, so that the optimum is a small table. Two classes: an answer is either the
 * label or the other one; who is wrong at exit 0 comes first, at exit 1 last, so that exits agree for some and not for others. No state is rare: each holds 10 images or more.
 */
export function tinyTable(): ExitTable {
  const labels: number[] = [];
  const logits: number[] = [];
  for (const { images, logits: sizes, right } of KINDS)
    for (let i = 0; i < images; i++) {
      const label = labels.length % 2;
      labels.push(label);
      sizes.forEach((size, exit) => {
        const isRight = exit === 1 ? i < right[exit] : i >= images - right[exit];
        logits.push(...((label === 0) === isRight ? [size, 0] : [0, size]));
      });
    }
  return {
    logits: Float32Array.from(logits),
    labels: Uint16Array.from(labels),
    count: labels.length,
    exits: 3,
    classes: 2,
  };
}

export interface ExactState {
  readonly exit: number;
  /** one image that is in this state */
  readonly image: number;
  readonly qContinue: number;
  readonly qExit: number;
}

/** Every different state with its exact Q-values: dynamic programming over groups of images that look the same. */
export function exactStates(
  { count, exits, classes, states, correct, shares }: Episodes,
  lambda: number,
): ExactState[] {
  const width = stateWidth(exits, classes);
  const value = new Float64Array(count); // V at the exit after
  const result: ExactState[] = [];
  for (let exit = exits - 1; exit >= 0; exit--) {
    const groups = new Map<string, number[]>();
    for (let i = 0; i < count; i++) {
      const key = states.subarray((i * exits + exit) * width, (i * exits + exit + 1) * width).join();
      groups.set(key, [...(groups.get(key) ?? []), i]);
    }
    for (const members of groups.values()) {
      const mean = (of: (i: number) => number): number => members.reduce((sum, i) => sum + of(i), 0) / members.length;
      const qExit = mean((i) => correct[i * exits + exit]!);
      const price = exit < exits - 1 ? lambda * (shares[exit + 1]! - shares[exit]!) : 0;
      const qContinue = exit < exits - 1 ? mean((i) => value[i]!) - price : Number.NEGATIVE_INFINITY;
      for (const i of members) value[i] = Math.max(qExit, qContinue);
      result.push({ exit, image: members[0]!, qContinue, qExit });
    }
  }
  return result;
}
