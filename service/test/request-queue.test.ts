/** Batches, prices and refusals, with workers that are played. */
import type { Classification } from "earlyexit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Job } from "../src/messages.ts";
import {
  BadPicture,
  batchSize,
  createQueue,
  mostWaiting,
  Overloaded,
  type QueueOptions,
} from "../src/request-queue.ts";
import type { Done, WorkerPool } from "../src/worker-pool.ts";

const OPTIONS: QueueOptions = {
  price: { base: 0.1, most: 1, waitPartMs: 10 },
  maxBatch: 4,
  batchWaitMs: 0,
  sloMs: 40,
  workers: 1,
  mostWaiting: 1000,
};
// batches follow the pace, which is not to depend on this machine's
beforeEach(() => void vi.spyOn(performance, "now").mockReturnValue(0));
afterEach(() => void vi.restoreAllMocks());

const file = (name: number) => ({ file: Uint8Array.of(name) });

/** One worker, one batch at a time; it ends when it is told to. The class of a picture is its first byte. */
function played() {
  const jobs: Job[] = [];
  const ends: ((done: Done) => void)[] = [];
  const pool = {
    get hasRoom() {
      return ends.length === 0;
    },
    run: (job: Job) => {
      jobs.push(job);
      return new Promise<Done>((resolve) => ends.push(resolve));
    },
  };
  const finish = async (computeMs = 1, mistakes: readonly number[] = []) => {
    const outcomes = jobs.at(-1)!.pictures.map((one, i) => {
      const classIndex = (one as { file: Uint8Array }).file[0]!;
      return mistakes.includes(i) ? { mistake: "no picture" } : { answer: { classIndex } as Classification };
    });
    ends.shift()!({ outcomes, computeMs });
    await new Promise((done) => setImmediate(done));
  };
  /** How many batches there are depends on the pace. */
  const finishAll = async (): Promise<void> => {
    while (ends.length > 0) await finish();
  };
  return { pool: pool as unknown as WorkerPool, jobs, finish, finishAll };
}

test("what came while a batch was computed makes up the next one, and everyone gets the own answer", async () => {
  const { pool, jobs, finish } = played();
  const queue = createQueue(OPTIONS, () => pool, 1);
  const answers = [1, 2, 3, 4, 5, 6].map((name) => queue.enqueue({ picture: file(name) }));
  for (let batch = 0; batch < 3; batch++) await finish();
  expect(jobs.map(({ pictures }) => pictures.length)).toEqual([1, 4, 1]);
  const classes = (await Promise.all(answers)).map(({ answer }) => answer.classIndex);
  expect(classes).toEqual([1, 2, 3, 4, 5, 6]);
});

test("the price rises with what waits, and is back at its base when nothing does", async () => {
  const { pool, jobs, finish } = played();
  const queue = createQueue(OPTIONS, () => pool, 0.5);
  const answers = Array.from({ length: 8 }, (_, name) => queue.enqueue({ picture: file(name) }));
  for (let batch = 0; batch < 3; batch++) await finish(2);
  await Promise.all(answers);
  const prices = jobs.map(({ lambda }) => lambda);
  expect(prices[1]).toBeGreaterThan(3 * prices[0]!); // 7 pictures wait, 0.5 ms each: 3.5 ms of a part of 10 ms, e^1.4
  expect(queue.price).toBe(0.1);
});

test("who asks for a lambda or a deadline gets it, apart from the others", async () => {
  const { pool, jobs, finish } = played();
  const queue = createQueue(OPTIONS, () => pool, 0.001);
  const wishes = [{}, { lambda: 0.5 }, {}, { lambda: 0.5 }, { deadlineMs: 1e6 }];
  const answers = wishes.map((wish, name) => queue.enqueue({ picture: file(name), ...wish }));
  for (let batch = 0; batch < 4; batch++) await finish();
  await Promise.all(answers);
  expect(jobs.map(({ pictures }) => pictures.length)).toEqual([1, 2, 1, 1]);
  expect(jobs[1]!.lambda).toBe(0.5);
  expect(jobs[3]!.deadlineMs).toBeGreaterThan(9e5);
});

test("a bad picture is its sender's, not its batch's", async () => {
  const { pool, finish } = played();
  const queue = createQueue(OPTIONS, () => pool, 1);
  const answers = [1, 2, 3].map((name) => queue.enqueue({ picture: file(name) }));
  const bad = expect(answers[1]).rejects.toThrow(BadPicture);
  await finish();
  await finish(1, [0]);
  await bad;
  expect((await answers[2])!.answer.classIndex).toBe(3);
});

test("who leaves is not computed", async () => {
  const { pool, jobs, finish } = played();
  const queue = createQueue(OPTIONS, () => pool, 1);
  const controller = new AbortController();
  const first = queue.enqueue({ picture: file(1) });
  const gone = queue.enqueue({ picture: file(2), signal: controller.signal });
  const last = queue.enqueue({ picture: file(3) });
  const left = expect(gone).rejects.toThrow("aborted");
  controller.abort();
  await left;
  await finish();
  await finish();
  expect((await Promise.all([first, last])).map(({ answer }) => answer.classIndex)).toEqual([1, 3]);
  expect(jobs.flatMap(({ pictures }) => pictures.length)).toEqual([1, 1]);
});

test("refused is only what could not be answered in time at the highest price", async () => {
  expect(mostWaiting(OPTIONS, 4)).toBe(6); // 0.6 of 40 ms, at 4 ms each
  const { pool, finishAll } = played();
  const queue = createQueue(OPTIONS, () => pool, 4);
  const answers = Array.from({ length: 6 }, (_, name) => queue.enqueue({ picture: file(name) }));
  expect(() => queue.enqueue({ picture: file(99) })).toThrow(Overloaded);
  await finishAll();
  expect(await Promise.all(answers)).toHaveLength(6);
  await queue.idle();
});

test("however slow, a picture for each worker may wait", async () => {
  const { pool, finishAll } = played();
  const queue = createQueue(OPTIONS, () => pool, 1000);
  const answers = [1, 2].map((name) => queue.enqueue({ picture: file(name) })); // one at work, one waits
  expect(() => queue.enqueue({ picture: file(99) })).toThrow(Overloaded);
  await finishAll();
  expect(await Promise.all(answers)).toHaveLength(2);
});

test("a batch is what a worker answers in its part of the promised time", () => {
  expect(batchSize(OPTIONS, 0.1)).toBe(4); // as many as may be
  expect(batchSize(OPTIONS, 3)).toBe(3); // a quarter of 40 ms, at 3 ms each
  expect(batchSize({ ...OPTIONS, workers: 2 }, 3)).toBe(1);
  expect(batchSize(OPTIONS, 1000)).toBe(1);
});
