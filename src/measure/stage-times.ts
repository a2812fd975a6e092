import type { ExitCosts } from "../exits/exit-table.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { Program, type Values } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";

const WARM_UP_RUNS = 20;
const RUNS = 200;
/** What an exit costs more than the one before, at least: no clock says that a stage is free. */
const LEAST_MS = 1e-6;

/**
 * What each exit costs in milliseconds on this machine: the median time of one image that leaves there, made to rise. The full
 * network is timed in turns with them.
 *
 * @param exits [E] graphs that leave at exit 0, 1, ...
 * @param full the network without exits
 * @param feeds what each of them takes
 */
export async function measureExitTimes(
  runtime: Runtime,
  exits: readonly GraphDefinition[],
  full: GraphDefinition,
  feeds: Values,
): Promise<ExitCosts> {
  const programs: Program[] = [];
  try {
    for (const graph of [...exits, full]) programs.push(await Program.compile(runtime, graph));
    const times: number[][] = programs.map(() => []);
    for (let run = -WARM_UP_RUNS; run < RUNS; run++)
      for (const [k, program] of programs.entries()) {
        const begun = performance.now();
        await program.run(feeds);
        if (run >= 0) times[k]!.push(performance.now() - begun);
      }
    const medians = times.map(median);
    return { exitMacs: rising(medians.slice(0, -1)), fullMacs: Math.max(LEAST_MS, medians.at(-1)!) };
  } finally {
    for (const program of programs) await program.close();
  }
}

/** [E] each at least `LEAST_MS` above the one before. @param exitMs [E] */
export function rising(exitMs: readonly number[]): number[] {
  let last = 0;
  return exitMs.map((ms) => {
    last = Math.max(last + LEAST_MS, ms);
    return last;
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
