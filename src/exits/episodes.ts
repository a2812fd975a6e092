import type { Runtime } from "../runtime/runtime.ts";
import type { AnswerTable } from "./answers.ts";
import { correctAnswers } from "./environment.ts";
import type { ExitCosts } from "./exit-table.ts";
import { expectedRightness } from "./expected-rightness.ts";
import { costShares, featureColumn, observations, stateWidth } from "./observation.ts";

/** What a policy can know of every image of a table, and what it is judged by. N images, E exits, S width of a state. */
export interface Episodes {
  readonly count: number;
  readonly exits: number;
  readonly classes: number;
  /** [E] c_k / c_{E-1} */
  readonly shares: readonly number[];
  /** [N, E, S] */
  readonly states: Float32Array;
  /** [N, E] 1 where the exit's answer is right, else 0; with `expected` rewards the chance of it */
  readonly correct: Uint8Array | Float32Array;
}

/**
 * What leaving brings while something is learned. "answers": 1 if the exit's answer is right, else 0. "expected": the chance that it is,
 * as all that was computed tells it (`expectedRightness`); of few images, that says more.
 */
export const REWARDS = ["answers", "expected"] as const;
export type Rewards = (typeof REWARDS)[number];

/** Computes the states of a table and compares its answers with the labels. @param rewards expected: to learn from, not to judge by */
export async function prepareEpisodes(
  runtime: Runtime,
  answers: AnswerTable,
  costs: ExitCosts,
  rewards: Rewards = "answers",
): Promise<Episodes> {
  const { count, exits, classes } = answers;
  const states = await observations(runtime, answers, costs);
  const correct = rewards === "expected" ? expectedRightness(answers) : correctAnswers(answers);
  return { count, exits, classes, shares: costShares(costs), states, correct };
}

/** [N, S] the states of every image at one exit. */
export function statesAt({ count, exits, classes, states }: Episodes, exit: number): Float32Array {
  const width = stateWidth(exits, classes);
  const rows = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const from = (i * exits + exit) * width;
    rows.set(states.subarray(from, from + width), i * width);
  }
  return rows;
}

/** [N] one feature of one exit's answer; `feature` counts from the exit's first column, see `FEATURE` in observation.ts. */
export function featureAt({ count, exits, classes, states }: Episodes, exit: number, feature: number): Float32Array {
  const width = stateWidth(exits, classes);
  const column = exit * width + featureColumn(exits, classes, exit) + feature;
  return Float32Array.from({ length: count }, (_, i) => states[i * exits * width + column]!);
}

/** [N] 1 where the exit's answer is right, else 0. */
export function correctAt({ count, exits, correct }: Episodes, exit: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => correct[i * exits + exit]!);
}
