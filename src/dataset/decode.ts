/** Pictures decoded on all cores, each written to its row of a file of pixels. */
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { UserError } from "../errors.ts";
import type { ImageShape } from "./dataset.ts";
import type { FilePlace } from "./file-place.ts";

/** What a thread is started with. */
export interface DecodeTask {
  /** The file of pixels; there already, and long enough. */
  readonly path: string;
  readonly shape: ImageShape;
}

export type DecodeRequest = readonly { readonly row: number; readonly from: FilePlace | Uint8Array }[];
export interface DecodedRow {
  readonly row: number;
  /** Why there are no pixels; null: they are there. */
  readonly reason: string | null;
  /** Whether its bytes were read: then the reason lies in them, and stays. */
  readonly isRead: boolean;
}

export type DecodeAnswer = { readonly rows: readonly DecodedRow[] } | { readonly failed: string };

export interface DecodeOptions extends DecodeTask {
  readonly rows: readonly number[];
  /** Where the picture of a row lies, or its bytes. */
  from(row: number): FilePlace | Promise<Uint8Array>;
  onDone(decoded: DecodedRow): void;
  readonly signal?: AbortSignal | undefined;
}

/** Pictures in one request: few, so that a large one holds up no others. */
const AT_ONCE = 4;
/** Requests that each thread has: one is decoded while the pixels of another are scaled. */
const IN_FLIGHT = 3;

/**
 * The runtime under Node decodes at most four pictures at a time, however many threads ask for it, unless the environment says
 * otherwise (UV_THREADPOOL_SIZE).
 *
 * @throws {UserError} for what the disk refuses; what `signal` was aborted with; Error if a thread breaks
 */
export async function decodePictures(options: DecodeOptions): Promise<void> {
  const { path, shape, rows, from, onDone, signal } = options;
  signal?.throwIfAborted();
  const entry = createRequire(import.meta.url).resolve("#decode-worker");
  const count = Math.min(availableParallelism(), Math.ceil(rows.length / AT_ONCE));
  const workers = Array.from(
    { length: count },
    () => new Worker(entry, { workerData: { path, shape } satisfies DecodeTask, execArgv: [] }),
  );
  let next = 0;
  const request = async (): Promise<DecodeRequest> => {
    const some = rows.slice(next, next + AT_ONCE);
    next += some.length;
    return Promise.all(some.map(async (row) => ({ row, from: await from(row) })));
  };
  const serve = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let open = 0;
      const ask = async (): Promise<void> => {
        if (next >= rows.length) {
          if (open === 0) resolve();
          return;
        }
        open++;
        worker.postMessage(await request());
      };
      worker.on("error", reject);
      worker.on("exit", (code) =>
        reject(new Error(`decode: expected a running thread, found it stopped (code ${code})`)),
      );
      worker.on("message", (answer: DecodeAnswer) => {
        open--;
        if ("failed" in answer) return reject(new UserError(answer.failed));
        for (const one of answer.rows) onDone(one);
        ask().catch(reject);
      });
      for (let i = 0; i < IN_FLIGHT; i++) ask().catch(reject);
    });
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  try {
    await Promise.race([Promise.all(workers.map(serve)), aborted]);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
