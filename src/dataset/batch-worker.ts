// The entry of the thread that `workerBatches` starts: answers every request with a batch.
import { parentPort, workerData } from "node:worker_threads";
import { allocateBatch, type BatchOptions, batchWriter } from "./batches.ts";
import { openPixels } from "./pixel-file.ts";
import { type BatchRequest, buffersOf, type PlacedOptions } from "./worker-batches.ts";

const { samples, ...others } = workerData as PlacedOptions;
const options: BatchOptions = { ...others, samples: { ...samples, pixels: openPixels(samples.pixels) } };
const write = batchWriter(options);
parentPort?.on("message", ({ step, reuse }: BatchRequest) => {
  const batch = reuse ?? allocateBatch(options);
  write(batch, step);
  parentPort?.postMessage(batch, buffersOf(batch));
});
