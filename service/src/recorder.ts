/**
 * Keeps answers with what every exit says, those behind the one taken included: an agent learns from both. That is computed after
 * the answer, by a worker of its own: at once while nobody waits for an answer, and a tenth of the time while somebody does, so that
 * it gets done under steady load as well. Where too many wait for it, one in ten is kept, without logits. Answers are written many at
 * a time.
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

/** Who computes logits, and whether anybody waits for an answer meanwhile. */
export interface LogitsDesk {
  readonly pool: WorkerPool;
  readonly isQuiet: () => boolean;
}

export interface Recorder {
  /** @param desk for the logits of the answer's network, as it is then; null: there is none any more */
  answered(row: Omit<StoredAnswer, "logits">, picture: Picture, desk: () => LogitsDesk | null): void;
  /** A worker for logits has room, or nobody waits for an answer any more. */
  pump(): void;
  /** Writes what is there. */
  close(): Promise<void>;
}

/** Of pictures that wait for their logits: what a burst leaves is computed when it is over. */
const MOST_BYTES = 64 * 2 ** 20;
const BATCH = 4;
/** Rest after a batch, in times of that batch, while somebody waits for answers. */
const REST = 9;
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
  readonly desk: () => LogitsDesk | null;
}

export function createRecorder({ store, keepPictures, onError }: RecorderOptions): Recorder {
  const waiting: Waiting[] = [];
  const rows: StoredAnswer[] = [];
  const pictures: { id: string; at: number; bytes: Uint8Array }[] = [];
  let nextId = 0;
  let skipped = 0;
  let waitingBytes = 0;
  let atWork = 0;
  let restUntil = 0;
  let rest: NodeJS.Timeout | null = null;
  let isClosing = false;
  let onIdle: (() => void) | null = null;
  let writing: Promise<void> = Promise.resolve();
  const flushing = setInterval(() => void flush(), FLUSH_MS).unref();
  const pruning = setInterval(() => void prune(), PRUNE_MS).unref();

  function keep(row: Omit<StoredAnswer, "logits">, logits: Float32Array | null, picture: Picture): void {
    rows.push({ ...row, logits });
    if (keepPictures > 0 && "file" in picture) pictures.push({ id: row.id, at: row.at, bytes: picture.file });
  }

  function pump(): void {
    while (waiting.length > 0 && atWork === 0) {
      const desk = waiting[0]!.desk();
      if (desk && !(desk.pool.hasRoom && (isClosing || desk.isQuiet() || hasRested()))) return;
      const others = waiting.slice(0, BATCH).findIndex((one) => one.desk() !== desk);
      const batch = waiting.splice(0, others < 0 ? BATCH : others);
      for (const { picture } of batch) waitingBytes -= bytesOf(picture);
      if (desk) void tabulate(desk.pool, batch);
      else for (const { row, picture } of batch) keep(row, null, picture);
    }
  }

  /** If not, it will be tried again when it has. */
  function hasRested(): boolean {
    const left = restUntil - performance.now();
    if (left <= 0) return true;
    rest ??= setTimeout(() => {
      rest = null;
      pump();
    }, left);
    return false;
  }

  async function tabulate(pool: WorkerPool, batch: readonly Waiting[]): Promise<void> {
    atWork++;
    const started = performance.now();
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
      restUntil = performance.now() + REST * (performance.now() - started);
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
    answered(row, picture, desk) {
      // what the network's own input was made of is not known
      if ("tensor" in picture) return keep(row, null, picture);
      const bytes = bytesOf(picture);
      if (waitingBytes + bytes <= MOST_BYTES) {
        waitingBytes += bytes;
        waiting.push({ row, picture, desk });
      } else if (skipped++ % SAMPLE === 0) keep(row, null, picture);
      pump();
    },
    pump,
    async close() {
      clearInterval(flushing);
      clearInterval(pruning);
      isClosing = true;
      pump();
      if (atWork > 0 || waiting.length > 0)
        await Promise.race([new Promise<void>((done) => (onIdle = done)), sleep(CLOSE_MS, undefined, { ref: false })]);
      if (rest) clearTimeout(rest);
      for (const { row, picture } of waiting.splice(0)) keep(row, null, picture);
      await flush();
    },
  };
}

function bytesOf(picture: Picture): number {
  return "file" in picture ? picture.file.byteLength : "pixels" in picture ? picture.pixels.byteLength : 0;
}
