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

/**
 * The exit table of a split: logits [N, E, K] of every exit for every image, nothing augmented.
 *
 * @param onProgress is told how many of the N images are done
 */
export async function computeExitTable(
  runtime: Runtime,
  network: StagedNetwork,
  samples: Samples,
  onProgress?: (done: number, total: number) => void,
): Promise<ExitTable> {
  const classes = network.classes.length;
  const { normalisation } = pictureOf(network);
  const images = input("images", inputShapes(network, BATCH)[0]!);
  const layout = network.layouts.includes("batchLast") ? "batchLast" : "batchFirst";
  const stages = buildStages(network, [images], layout);
  const perExit = stages.map(({ logits }) => reshape(logits, [BATCH, 1, classes]));
  const own = stages.at(-1)!.original;
  const outputs = { logits: concat(perExit, 1), ...(own ? { original: own } : {}) };
  const program = await Program.compile(runtime, { outputs });
  const row = stages.length * classes;
  const logits = new Float32Array(samples.count * row);
  const original = own && new Float32Array(samples.count * classes);
  const full = new Float32Array(sizeOf(images.shape));
  try {
    for (const batch of evaluationBatches(samples, BATCH, normalisation)) {
      full.set(batch.images);
      const result = await program.run({ images: full });
      logits.set(result.logits!.subarray(0, batch.count * row), batch.first * row);
      original?.set(result.original!.subarray(0, batch.count * classes), batch.first * classes);
      onProgress?.(batch.first + batch.count, samples.count);
    }
  } finally {
    await program.close();
  }
  const table = { logits, labels: samples.labels, count: samples.count, exits: stages.length, classes };
  return original ? { ...table, original } : table;
}
