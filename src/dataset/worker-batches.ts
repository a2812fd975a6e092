import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { type Batch, type BatchOptions, type BatchSource, checkBatchOptions } from "./batches.ts";
import type { Samples } from "./dataset.ts";
import type { PixelPlace } from "./pixels.ts";

const AHEAD = 3; // batches asked for before they are needed: one being written and two ready

/** The options as a worker is told them: the pixels stay where they are. */
export interface PlacedOptions extends Omit<BatchOptions, "samples"> {
  readonly samples: Omit<Samples, "pixels"> & { readonly pixels: PixelPlace };
}

/** What the worker is asked for: the batch of `step`, written over `reuse` where there is one. */
export interface BatchRequest {
  readonly step: number;
  readonly reuse: Batch | null;
}

/**
 * Batches computed in a worker thread ahead of need, while the calling thread is busy in a training step.
 * Buffers move between the threads, they are never copied. Bit-identical to those of `inlineBatches`.
 * A failure in the worker rejects `next`. Close it: until then the worker keeps the process alive.
 */
export function workerBatches(options: BatchOptions): BatchSource {
  checkBatchOptions(options); // the worker checks too, but an error from here points at the caller
  const worker = new Worker(createRequire(import.meta.url).resolve("#batch-worker"), {
    workerData: {
      ...options,
      samples: { ...options.samples, pixels: options.samples.pixels.place },
    } satisfies PlacedOptions,
    execArgv: [], // flags such as --input-type, meant for the program's own entry, would stop the worker
  });
  const free: Batch[] = [];
  const ready: Batch[] = [];
  const waiting: Waiting[] = [];
  let failure: Error | null = null;
  let step = options.firstStep ?? 0;

  const request = () => {
    const reuse = free.pop() ?? null;
    const message: BatchRequest = { step: step++, reuse };
    worker.postMessage(message, reuse === null ? [] : buffersOf(reuse));
  };
  const fail = (error: Error) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  worker.on("message", (batch: Batch) => {
    const first = waiting.shift();
    if (first === undefined) ready.push(batch);
    else first.resolve(batch);
  });
  worker.on("error", fail);
  worker.on("exit", (code) => fail(new Error(`batches: expected a running worker, found it stopped (code ${code})`)));
  for (let i = 0; i < AHEAD; i++) request();

  return {
    next() {
      if (failure !== null) return Promise.reject(failure);
      request();
      const batch = ready.shift();
      if (batch !== undefined) return Promise.resolve(batch);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    recycle(batch) {
      free.push(batch);
    },
    async close() {
      fail(new Error("batches: expected an open source, found a closed one"));
      await worker.terminate();
    },
  };
}

interface Waiting {
  readonly resolve: (batch: Batch) => void;
  readonly reject: (error: Error) => void;
}

/** What is transferred with a batch. */
export function buffersOf(batch: Batch): ArrayBuffer[] {
  return [batch.images.buffer, batch.targets.buffer, batch.labels.buffer];
}
