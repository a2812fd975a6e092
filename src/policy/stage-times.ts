import type { GraphDefinition } from "../graph/onnx.ts";
import { Program, type Values } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ExitCosts } from "./exit-table.ts";

const WARM_UP_RUNS = 20;
const RUNS = 200;
/** What a stage costs at least: no clock says that it is free. */
const LEAST_MS = 1e-6;

/**
 * What each exit costs in milliseconds on this machine: the median time of every stage with its head and its decision, one
 * image at a time, added up; so the costs rise. The full network is timed in turns with the stages.
 *
 * @param stages one graph per stage
 * @param full the network without exits
 * @param feeds what the first stage takes; the full network takes `x` of it
 * @param handOn what the stage after stage k takes
 */
export async function measureExitTimes(
  runtime: Runtime,
  stages: readonly GraphDefinition[],
  full: GraphDefinition,
  feeds: Values,
  handOn: (taken: Values, given: Values, k: number) => Values,
): Promise<ExitCosts> {
  const programs: Program[] = [];
  try {
    for (const graph of [...stages, full]) programs.push(await Program.compile(runtime, graph));
    const times: number[][] = programs.map(() => []);
    for (let run = -WARM_UP_RUNS; run < RUNS; run++) {
      let taken = feeds;
      for (const [k, program] of programs.entries()) {
        const begun = performance.now();
        const results = await program.run(k < stages.length ? taken : feeds);
        if (run >= 0) times[k]!.push(performance.now() - begun);
        if (k < stages.length) taken = handOn(taken, results, k);
      }
    }
    const medians = times.map(median);
    return { exitMacs: runningSums(medians.slice(0, -1)), fullMacs: Math.max(LEAST_MS, medians.at(-1)!) };
  } finally {
    for (const program of programs) await program.close();
  }
}

/** [E] each at least `LEAST_MS` above the one before. @param stageMs [E] */
export function runningSums(stageMs: readonly number[]): number[] {
  let sum = 0;
  return stageMs.map((ms) => {
    sum += Math.max(LEAST_MS, ms);
    return sum;
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
