/** What the maps of a float network hold: the smallest and largest value of each, and how often what lies between occurs. */
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StagePlan } from "./plan.ts";
import type { Range } from "./steps.ts";

export interface Observed extends Range {
  /** [BINS] how many values lie in each of the equal parts of min to max */
  readonly histogram: Float64Array;
}

export const BINS = 2048;

/**
 * All images twice through the network: once for the ends, once for what lies between.
 *
 * @param batches normalised images, each as large as the plans' batch
 * @returns by stage and point
 */
export async function observe(
  runtime: Runtime,
  plans: readonly StagePlan[],
  batches: readonly Float32Array[],
): Promise<Observed[][]> {
  const programs: Program[] = [];
  for (const plan of plans) programs.push(await Program.compile(runtime, { outputs: observedOutputs(plan) }));
  const found = plans.map(({ points }) =>
    points.map(() => ({ min: Infinity, max: -Infinity, histogram: new Float64Array(BINS) })),
  );
  try {
    await eachMap(programs, plans, batches, (k, i, values) => {
      const one = found[k]![i]!;
      for (const value of values) {
        if (value < one.min) one.min = value;
        if (value > one.max) one.max = value;
      }
    });
    await eachMap(programs, plans, batches, (k, i, values) => count(values, found[k]![i]!));
  } finally {
    for (const program of programs) await program.close();
  }
  return found;
}

function observedOutputs({ points, built }: StagePlan) {
  return Object.fromEntries([
    ...points.map(({ tensor }, i) => [`point${i}`, tensor] as const),
    ...built.handsOn.map((one, i) => [`next${i}`, one] as const),
  ]);
}

async function eachMap(
  programs: readonly Program[],
  plans: readonly StagePlan[],
  batches: readonly Float32Array[],
  onMap: (stage: number, point: number, values: Float32Array) => void,
): Promise<void> {
  for (const images of batches) {
    let given: readonly Float32Array[] = [images];
    for (const [k, program] of programs.entries()) {
      const feeds = Object.fromEntries(given.map((values, i) => [`from${i}`, values]));
      const results = await program.run(feeds);
      for (const i of plans[k]!.points.keys()) onMap(k, i, results[`point${i}`]!);
      given = plans[k]!.built.handsOn.map((_, i) => results[`next${i}`]!);
    }
  }
}

function count(values: Float32Array, { min, max, histogram }: Observed): void {
  const perBin = (max - min) / BINS || 1;
  for (const value of values) histogram[Math.min(BINS - 1, Math.floor((value - min) / perBin))]! += 1;
}
