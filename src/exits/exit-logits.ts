import { evaluationBatches } from "../dataset/batches.ts";
import type { Samples } from "../dataset/dataset.ts";
import { reshape } from "../graph/broadcast.ts";
import { concat } from "../graph/layout.ts";
import { input, sizeOf } from "../graph/tensor.ts";
import { buildStages, inputShapes, pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ExitTable } from "./exit-table.ts";

/** Large enough to be fast, small enough to stay in cache. A smaller rest is filled up. */
const BATCH = 64;

/** The logits of every exit, as a program that stays. */
export interface ExitLogits {
  /**
   * The exit table of a split: logits [N, E, K] of every exit for every image, nothing augmented.
   *
   * @param onProgress is told how many of the N images are done
   */
  of(samples: Samples, onProgress?: (done: number, total: number) => void): Promise<ExitTable>;
  close(): Promise<void>;
}

/** @param batch images computed at a time; fewer are filled up */
export async function openExitLogits(runtime: Runtime, network: StagedNetwork, batch = BATCH): Promise<ExitLogits> {
  const classes = network.classes.length;
  const { normalisation } = pictureOf(network);
  const images = input("images", inputShapes(network, batch)[0]!);
  const layout = network.layouts.includes("batchLast") ? "batchLast" : "batchFirst";
  const stages = buildStages(network, [images], layout);
  const perExit = stages.map(({ logits }) => reshape(logits, [batch, 1, classes]));
  const own = stages.at(-1)!.original;
  const outputs = { logits: concat(perExit, 1), ...(own ? { original: own } : {}) };
  const program = await Program.compile(runtime, { outputs });
  const row = stages.length * classes;
  const full = new Float32Array(sizeOf(images.shape));
  return {
    async of(samples, onProgress) {
      const logits = new Float32Array(samples.count * row);
      const original = own && new Float32Array(samples.count * classes);
      for (const part of evaluationBatches(samples, batch, normalisation)) {
        full.set(part.images);
        const result = await program.run({ images: full });
        logits.set(result.logits!.subarray(0, part.count * row), part.first * row);
        original?.set(result.original!.subarray(0, part.count * classes), part.first * classes);
        onProgress?.(part.first + part.count, samples.count);
      }
      const table = { logits, labels: samples.labels, count: samples.count, exits: stages.length, classes };
      return original ? { ...table, original } : table;
    },
    close: () => program.close(),
  };
}

/** The same for one split. */
export async function computeExitTable(
  runtime: Runtime,
  network: StagedNetwork,
  samples: Samples,
  onProgress?: (done: number, total: number) => void,
): Promise<ExitTable> {
  const program = await openExitLogits(runtime, network);
  try {
    return await program.of(samples, onProgress);
  } finally {
    await program.close();
  }
}
