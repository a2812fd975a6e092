/**
 * Keeps answers with what every exit says, those behind the one taken included: an agent learns from both. That is computed after
 * the answer, by a worker of a low priority; where too many wait for it, one in ten is kept, without logits. Answers are written
 * many at a time. Nobody who asks waits for any of it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Picture } from "./messages.ts";
import type { Store, StoredAnswer } from "./store/store.ts";
import type { WorkerPool } from "./worker-pool.ts";

export interface RecorderOptions {
  readonly store: Store;
  /** Days that pictures are kept; 0: none is. */
  readonly keepPictures: number;
  readonly onError: (error: unknown) => void;
}

export interface Recorder {
  /** @param pool of workers for the logits of the answer's network, as it is then; null: there is none any more */
  answered(row: Omit<StoredAnswer, "logits">, picture: Picture, pool: () => WorkerPool | null): void;
  /** A worker for logits has room. */
  pump(): void;
  /** Writes what is there. */
  close(): Promise<void>;
}

/** Of pictures that wait for their logits: what a burst leaves is computed when it is over. */
const MOST_BYTES = 64 * 2 ** 20;
const BATCH = 4;
/** Of those that there is no time for, one in so many is kept. */
const SAMPLE = 10;
const FLUSH_MS = 100;
/** How long the end waits for logits; what is left then is kept without. */
const CLOSE_MS = 10_000;
const PRUNE_MS = 3_600_000;
const DAY_MS = 86_400_000;

interface Waiting {
  readonly row: Omit<StoredAnswer, "logits">;
  readonly picture: Picture;
  readonly pool: () => WorkerPool | null;
}

export function createRecorder({ store, keepPictures, onError }: RecorderOptions): Recorder {
  const waiting: Waiting[] = [];
  const rows: StoredAnswer[] = [];
  const pictures: { id: string; at: number; bytes: Uint8Array }[] = [];
  let nextId = 0;
  let skipped = 0;
  let waitingBytes = 0;
  let atWork = 0;
  let onIdle: (() => void) | null = null;
  let writing: Promise<void> = Promise.resolve();
  const flushing = setInterval(() => void flush(), FLUSH_MS).unref();
  const pruning = setInterval(() => void prune(), PRUNE_MS).unref();

  function keep(row: Omit<StoredAnswer, "logits">, logits: Float32Array | null, picture: Picture): void {
    rows.push({ ...row, logits });
    if (keepPictures > 0 && "file" in picture) pictures.push({ id: row.id, at: row.at, bytes: picture.file });
  }

  function pump(): void {
    while (waiting.length > 0) {
      const pool = waiting[0]!.pool();
      if (pool && !pool.hasRoom) return;
      const others = waiting.slice(0, BATCH).findIndex((one) => one.pool() !== pool);
      const batch = waiting.splice(0, others < 0 ? BATCH : others);
      for (const { picture } of batch) waitingBytes -= bytesOf(picture);
      if (pool) void tabulate(pool, batch);
      else for (const { row, picture } of batch) keep(row, null, picture);
    }
  }

  async function tabulate(pool: WorkerPool, batch: readonly Waiting[]): Promise<void> {
    atWork++;
    try {
      const pictures = batch.map(({ picture }) => picture);
      const { outcomes } = await pool.run({ id: nextId++, lambda: 0, pictures });
      for (const [i, { row, picture }] of batch.entries()) {
        const outcome = outcomes[i]!;
        keep(row, "logits" in outcome ? outcome.logits : null, picture);
      }
    } catch (error) {
      onError(error);
    } finally {
      atWork--;
      pump();
      if (atWork === 0 && waiting.length === 0) onIdle?.();
    }
  }

  /** One after the other; what fails is lost, and told. */
  function flush(): Promise<void> {
    writing = writing.then(async () => {
      const [answers, files] = [rows.splice(0), pictures.splice(0)];
      if (answers.length > 0) await store.addAnswers(answers).catch(onError);
      if (files.length > 0) await store.addPictures(files).catch(onError);
    });
    return writing;
  }

  async function prune(): Promise<void> {
    await store.dropPictures(Date.now() - keepPictures * DAY_MS).catch(onError);
  }

  void prune();
  return {
    answered(row, picture, pool) {
      // what the network's own input was made of is not known
      if ("tensor" in picture) return keep(row, null, picture);
      const bytes = bytesOf(picture);
      if (waitingBytes + bytes <= MOST_BYTES) {
        waitingBytes += bytes;
        waiting.push({ row, picture, pool });
      } else if (skipped++ % SAMPLE === 0) keep(row, null, picture);
      pump();
    },
    pump,
    async close() {
      clearInterval(flushing);
      clearInterval(pruning);
      if (atWork > 0 || waiting.length > 0)
        await Promise.race([new Promise<void>((done) => (onIdle = done)), sleep(CLOSE_MS, undefined, { ref: false })]);
      for (const { row, picture } of waiting.splice(0)) keep(row, null, picture);
      await flush();
    },
  };
}

function bytesOf(picture: Picture): number {
  return "file" in picture ? picture.file.byteLength : "pixels" in picture ? picture.pixels.byteLength : 0;
}
