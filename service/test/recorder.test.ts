/** What is kept of answers, with a store and workers that are played. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { Job, Outcome } from "../src/messages.ts";
import { createRecorder, type LogitsDesk, type Recorder } from "../src/recorder.ts";
import type { Store, StoredAnswer } from "../src/store/store.ts";
import type { WorkerPool } from "../src/worker-pool.ts";

let recorder: Recorder | null = null;
afterEach(() => recorder?.close());

function played() {
  const rows: StoredAnswer[] = [];
  const pictures: string[] = [];
  const store = {
    addAnswers: async (more: StoredAnswer[]) => void rows.push(...more),
    addPictures: async (more: { id: string }[]) => void pictures.push(...more.map(({ id }) => id)),
    dropPictures: async () => undefined,
  } as unknown as Store;
  return { store, rows, pictures };
}

/** The logits of a picture are its first byte; 0 cannot be read. */
function desk(hasRoom: () => boolean, isQuiet: () => boolean = () => true): LogitsDesk {
  const run = async ({ pictures }: Job) => ({
    outcomes: pictures.map((one): Outcome => {
      const value = (one as { file: Uint8Array }).file[0]!;
      return value === 0 ? { mistake: "no picture" } : { logits: Float32Array.of(value) };
    }),
    computeMs: 1,
  });
  const pool = {
    run,
    get hasRoom() {
      return hasRoom();
    },
  } as unknown as WorkerPool;
  return { pool, isQuiet };
}

const row = (id: string): Omit<StoredAnswer, "logits"> => ({
  ...{
    id,
    at: 1,
    model: "m",
    version: "v",
    network: "n",
    exit: 1,
    classIndex: 0,
    confidence: 1,
    price: 0.1,
    latencyMs: 1,
  },
});
const file = (value: number, bytes = 1) => ({ file: new Uint8Array(bytes).fill(value) });
const kept = (rows: readonly StoredAnswer[]) => rows.map(({ id, logits }) => [id, logits && [...logits]]);

test("answers wait for their logits; pictures are kept where they are to be", async () => {
  const { store, rows, pictures } = played();
  let isFree = false;
  const workers = desk(() => isFree);
  recorder = createRecorder({ store, keepPictures: 1, onError: (error) => expect(error).toBe(null) });
  for (const value of [1, 2, 3, 4, 0, 6]) recorder.answered(row(`a${value}`), file(value), () => workers);
  recorder.answered(row("tensor"), { tensor: Float32Array.of(1) }, () => workers);
  isFree = true;
  recorder.pump();
  await recorder.close();
  expect(kept(rows).sort()).toEqual([
    ["a0", null],
    ["a1", [1]],
    ["a2", [2]],
    ["a3", [3]],
    ["a4", [4]],
    ["a6", [6]],
    ["tensor", null],
  ]);
  expect(pictures).toHaveLength(6);
});

test("a version that goes takes nothing along: the next one's workers do it, or the answer is kept without", async () => {
  const { store, rows } = played();
  let now: LogitsDesk | null = desk(() => false);
  recorder = createRecorder({ store, keepPictures: 0, onError: () => undefined });
  recorder.answered(row("first"), file(1), () => now);
  now = desk(() => true);
  recorder.pump();
  recorder.answered(row("second"), file(2), () => null);
  await recorder.close();
  expect(Object.fromEntries(kept(rows))).toEqual({ first: [1], second: null });
});

test("where too many bytes wait, one answer in ten is kept, without logits", async () => {
  const { store, rows } = played();
  let isFree = false;
  const workers = desk(() => isFree);
  recorder = createRecorder({ store, keepPictures: 0, onError: () => undefined });
  for (let i = 0; i < 84; i++) recorder.answered(row(`a${i}`), file(7, 2 ** 20), () => workers); // 64 MiB wait at most
  isFree = true;
  recorder.pump();
  await recorder.close();
  expect(rows.filter(({ logits }) => logits)).toHaveLength(64);
  expect(rows.filter(({ logits }) => !logits).map(({ id }) => id)).toEqual(["a64", "a74"]);
});

test("while somebody always waits for answers, logits get a tenth of the time; when nobody does, all of it", async () => {
  const { store, rows } = played();
  let isQuiet = false;
  const BATCH_MS = 20;
  const { pool } = desk(() => true);
  const slow = {
    pool: {
      hasRoom: true,
      run: async (job: Job) => {
        await sleep(BATCH_MS);
        return pool.run(job);
      },
    } as unknown as WorkerPool,
    isQuiet: () => isQuiet,
  };
  recorder = createRecorder({ store, keepPictures: 0, onError: () => undefined });
  const started = performance.now();
  for (let i = 0; i < 40; i++) recorder.answered(row(`a${i}`), file(1), () => slow);
  await expect.poll(() => rows.length, { interval: 5, timeout: 10_000 }).toBeGreaterThanOrEqual(12);
  expect(performance.now() - started).toBeGreaterThan(2 * 10 * BATCH_MS); // three batches and two rests
  isQuiet = true;
  recorder.pump();
  await expect.poll(() => rows.length, { interval: 5, timeout: 10_000 }).toBe(40);
});
