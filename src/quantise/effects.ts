/** What the rounding of single convolutions does to the logits. */
import type { Runtime } from "../runtime/runtime.ts";
import { imitate, logitError } from "./imitation.ts";
import type { StagePlan } from "./plan.ts";
import type { Steps } from "./steps.ts";

/** What choices are compared on. */
export interface Trial {
  readonly runtime: Runtime;
  readonly plans: readonly StagePlan[];
  readonly largestWeight: number;
  /** Normalised images, and the logits of the float network for them. */
  readonly batches: readonly Float32Array[];
  readonly expected: readonly Float32Array[];
  /** K */
  readonly classes: number;
}

/** By stage and point. */
export type AllSteps = readonly (readonly Steps[])[];

/** A convolution by its stage and its place there, both counted from 0. */
export interface Convolution {
  readonly stage: number;
  readonly index: number;
}

/** @param kept by stage: convolutions in float */
export async function logitsWith(
  { runtime, plans, largestWeight, batches }: Trial,
  steps: AllSteps,
  kept: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const imitation = await imitate(runtime, plans, kept, largestWeight);
  try {
    return await imitation.logits(steps, batches);
  } finally {
    await imitation.close();
  }
}

/**
 * All other convolutions, first the one that, left in float besides, brings the logits nearest to those of the float network.
 *
 * @param always by stage: those that stay in float anyway
 */
export async function worstFirst(
  trial: Trial,
  steps: AllSteps,
  always: readonly (readonly number[])[],
): Promise<Convolution[]> {
  const { plans, expected, classes } = trial;
  const measured: (Convolution & { readonly error: number })[] = [];
  for (const [stage, { convolutions }] of plans.entries())
    for (const index of convolutions.keys()) {
      if (always[stage]!.includes(index)) continue;
      const kept = always.map((list, k) => (k === stage ? [...list, index] : list));
      const error = logitError(await logitsWith(trial, steps, kept), expected, plans.length, classes);
      measured.push({ stage, index, error });
    }
  return measured.sort((a, b) => a.error - b.error);
}

/** [E] the share of images for which an exit gives another class. @param found, expected [batches][B, E * K] */
export function changedAnswers(
  found: readonly Float32Array[],
  expected: readonly Float32Array[],
  exits: number,
  classes: number,
): number[] {
  const changed = new Array<number>(exits).fill(0);
  let rows = 0;
  for (const [b, values] of expected.entries())
    for (let from = 0; from < values.length; from += classes, rows++)
      if (largest(values, from, classes) !== largest(found[b]!, from, classes)) changed[rows % exits]! += 1;
  return changed.map((count) => (count * exits) / rows);
}

function largest(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[from + i]! > values[from + best]!) best = i;
  return best;
}
