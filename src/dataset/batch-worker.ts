// The entry of the thread that `workerBatches` starts: answers every request with a batch.
import { parentPort, workerData } from "node:worker_threads";
import { allocateBatch, type BatchOptions, batchWriter } from "./batches.ts";
import { type BatchRequest, buffersOf } from "./worker-batches.ts";

const options = workerData as BatchOptions;
const write = batchWriter(options);
parentPort?.on("message", ({ step, reuse }: BatchRequest) => {
  const batch = reuse ?? allocateBatch(options);
  write(batch, step);
  parentPort?.postMessage(batch, buffersOf(batch));
});
