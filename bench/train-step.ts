/**
 * Whole training steps of one network, with everything that a real training does: dropout, running statistics, clipping, averages,
 * augmented batches from a worker. A process of its own, so that its peak memory is its own. Prints one JSON object.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { channelStatistics } from "../src/dataset/augmentation.ts";
import { shapesDataset } from "../src/dataset/shapes.ts";
import { workerBatches } from "../src/dataset/worker-batches.ts";
import { blueprintTrainable } from "../src/network/blueprint-network.ts";
import { builtInBlueprint } from "../src/network/blueprints.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { Program } from "../src/runtime/program.ts";
import { buildTrainingStep } from "../src/training/step.ts";
import { median } from "./kernels.ts";
import { recipeFor } from "./train-recipe.ts";

export interface StepTimes {
  readonly stepMs: number;
  readonly waitMs: number;
  readonly peakResidentBytes: number;
  /** After step 20 (or the last one) and after the last one. */
  readonly residentBytes: readonly [number, number];
}

const { values: flags } = parseArgs({
  options: {
    network: { type: "string", default: "classic" },
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: "2" },
    steps: { type: "string", default: "10" },
  },
});
const steps = Number(flags.steps);
const blueprint = builtInBlueprint(flags.network);
const recipe = recipeFor(flags.network);
const data = shapesDataset({ trainCount: 2000, testCount: 10 });
const program = await Program.compile(
  createNodeRuntime({ device: flags.device, threads: Number(flags.threads) }),
  buildTrainingStep(blueprintTrainable(blueprint, data.classes, { mean: [], std: [] }), recipe, { seed: 1 }),
  { seed: 1, optimizeFor: "training" },
);
const source = workerBatches({
  samples: data.train!,
  imageShape: data.imageShape,
  classCount: 10,
  batchSize: recipe.batchSize,
  normalisation: channelStatistics(data.train!, data.imageShape),
  augmentation: recipe.augmentation,
  seed: 1,
});
const exits = blueprint.stages.length;
const times: number[] = [];
const waits: number[] = [];
let early = 0;
for (let step = 0; step <= steps; step++) {
  const started = performance.now();
  const batch = await source.next();
  const ready = performance.now();
  await program.run(
    {
      images: batch.images,
      targets: batch.targets,
      learningRate: Float32Array.of(1e-3),
      exitWeights: new Float32Array(exits).fill(1 / exits),
      averageDecay: Float32Array.of(0.9),
    },
    step,
  );
  source.recycle(batch);
  if (step === Math.min(20, steps)) early = process.memoryUsage.rss();
  if (step === 0) continue; // the first step allocates
  waits.push(ready - started);
  times.push(performance.now() - started);
}
const residentBytes = [early, process.memoryUsage.rss()] as const;
await source.close();
await program.close();
const result: StepTimes = {
  stepMs: median(times),
  waitMs: median(waits),
  peakResidentBytes: peakResidentBytes(),
  residentBytes,
};
process.stdout.write(JSON.stringify(result));

/** Linux counts the memory of the process that started this one into `maxRSS`, but not into the high-water mark of its own. */
function peakResidentBytes(): number {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024;
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024;
}
