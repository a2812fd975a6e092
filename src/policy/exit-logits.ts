import { evaluationBatches } from "../dataset/batches.ts";
import type { Samples } from "../dataset/dataset.ts";
import { concat, reshape } from "../graph/layout.ts";
import { batchLast } from "../graph/plane.ts";
import { input, sizeOf } from "../graph/tensor.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { buildInferenceGraph } from "../network/inference-graph.ts";
import { trainingOperators } from "../network/layers.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TrainedNetwork } from "../training/train.ts";
import type { ExitTable } from "./exit-table.ts";

/** Large enough to be fast, small enough to stay in cache. A smaller rest is filled up. */
const BATCH = 64;

/**
 * The exit table of a split: logits [N, E, K] of every exit for every image, batch norm folded, nothing augmented.
 *
 * @param onProgress is told how many of the N images are done
 */
export async function computeExitTable(
  runtime: Runtime,
  network: Pick<TrainedNetwork, "blueprint" | "weights" | "classes" | "normalisation">,
  samples: Samples,
  onProgress?: (done: number, total: number) => void,
): Promise<ExitTable> {
  const classes = network.classes.length;
  const folded = foldBatchNorm(network.blueprint, network.weights);
  const images = input("images", [BATCH, ...network.blueprint.input]);
  const stages = buildInferenceGraph(folded.blueprint, folded.weights, classes, batchLast(images), trainingOperators);
  const perExit = stages.map(({ logits }) => reshape(logits, [BATCH, 1, classes]));
  const program = await Program.compile(runtime, { outputs: { logits: concat(perExit, 1) } });
  const row = stages.length * classes;
  const logits = new Float32Array(samples.count * row);
  const full = new Float32Array(sizeOf(images.shape));
  try {
    for (const batch of evaluationBatches(samples, BATCH, network.normalisation)) {
      full.set(batch.images);
      const result = await program.run({ images: full });
      logits.set(result.logits!.subarray(0, batch.count * row), batch.first * row);
      onProgress?.(batch.first + batch.count, samples.count);
    }
  } finally {
    await program.close();
  }
  return { logits, labels: samples.labels, count: samples.count, exits: stages.length, classes };
}
