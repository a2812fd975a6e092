/** The queue on Redis and on Postgres, the same tests on both, with jobs that do next to nothing. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Job, JobQueue, Work } from "earlyexit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openJobQueue } from "../src/queue/job-queue.ts";
import { brokers, type TestBroker } from "./brokers.ts";

const job = (name: string): Job => ({ id: Buffer.from(name).toString("hex"), kind: "note", name, input: { name } });
const jobs = (prefix: string, count: number): Job[] => Array.from({ length: count }, (_, i) => job(`${prefix} ${i}`));

/** Works until `until` is done. */
async function working(queue: JobQueue, work: Work, until: () => Promise<unknown>, parallel = 4): Promise<string[]> {
  const stopped = new AbortController();
  const told: string[] = [];
  const over = queue.work({ note: work }, { parallel, log: (text) => told.push(text), signal: stopped.signal });
  try {
    await until();
  } finally {
    stopped.abort();
    await over;
  }
  return told;
}

async function handOut(queue: JobQueue, given: readonly Job[], signal?: AbortSignal) {
  const told = { done: [] as string[], failed: [] as string[] };
  await queue.handOut(given, {
    onDone: ({ name }) => told.done.push(name),
    onFailed: ({ name }, reason) => told.failed.push(`${name}: ${reason}`),
    signal,
  });
  return told;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 400) throw new Error("it never came to hold");
    await sleep(50);
  }
}

for (const { name, start } of brokers())
  describe.skipIf(!start)(name, () => {
    let broker: TestBroker;
    let queue: JobQueue;
    beforeAll(async () => {
      broker = await start!();
      queue = await openJobQueue(broker.address);
    });
    afterAll(async () => {
      await queue.close();
      await broker.stop();
    });

    test("every job is done once, and again when its result is asked for again", async () => {
      const given = jobs("once", 20);
      const done: string[] = [];
      await working(
        queue,
        async ({ name }) => void done.push(name),
        async () => {
          const first = await handOut(queue, given);
          expect(first.failed).toEqual([]);
          expect(first.done.sort()).toEqual(given.map(({ name }) => name).sort());
          expect(done.toSorted()).toEqual(first.done);
          await handOut(queue, given.slice(0, 3));
        },
      );
      expect(done).toHaveLength(23);
    });

    test("what fails is tried four times, ends in the list with its error, and can be tried again", async () => {
      let [tries, isMended] = [0, false];
      const work: Work = async ({ name }, { log }) => {
        if (name !== "poison 2") return;
        log!(`try ${++tries}`);
        if (!isMended) throw new Error("a bad picture");
      };
      await working(queue, work, async () => {
        const told = await handOut(queue, jobs("poison", 5));
        expect(told.done).toHaveLength(4);
        expect(told.failed).toEqual(["poison 2: a bad picture"]);
        expect(tries).toBe(4);
        const listed = (await queue.list(100)).find((one) => one.name === "poison 2")!;
        expect(listed).toMatchObject({ state: "failed", reason: "a bad picture", kind: "note", attempts: 4 });
        const logs = (await queue.logs(listed.id.slice(0, 16))).map((line) => line.replace(/begun by .*/, "begun"));
        expect(logs).toEqual([1, 2, 3, 4].flatMap((n) => ["begun", `try ${n}`, "failed: a bad picture"]));
        isMended = true;
        await queue.retry(listed.id);
        await until(async () => (await queue.list(100)).find(({ id }) => id === listed.id)?.state === "done");
        await expect(queue.retry(listed.id)).rejects.toThrow("a failed job expected");
      });
    });

    test("a job that waits or is worked on can be cancelled", async () => {
      let isBegun = false;
      const work: Work = async (_, { signal }) => {
        isBegun = true;
        await sleep(60_000, undefined, { signal: signal! });
      };
      const given = jobs("cancelled", 2);
      await working(
        queue,
        work,
        async () => {
          const telling = handOut(queue, given);
          await until(() => isBegun);
          const states = (await queue.list(100)).filter((one) => one.name.startsWith("cancelled"));
          expect(states.map(({ state }) => state).sort()).toEqual(["waiting", "working"]);
          for (const { id } of states.sort((a) => (a.state === "waiting" ? -1 : 1))) await queue.cancel(id);
          expect((await telling).failed.sort()).toEqual(["cancelled 0: cancelled", "cancelled 1: cancelled"]);
        },
        1,
      );
    });

    test("a worker that is stopped hands its job back, and another one does it", async () => {
      const given = jobs("handed", 1);
      let begun = 0;
      const telling = handOut(queue, given);
      const told = await working(
        queue,
        async (_, { signal }) => {
          begun++;
          await sleep(60_000, undefined, { signal: signal! });
        },
        () => until(() => begun === 1),
      );
      expect(told).toEqual(["handed 0: handed back"]);
      await working(
        queue,
        async () => void begun++,
        async () => expect(await telling).toEqual({ done: ["handed 0"], failed: [] }),
      );
      expect(begun).toBe(2);
    });

    test("the broker is killed and restarted in the middle: every job is done", async () => {
      const given = jobs("restart", 30);
      let done = 0;
      const work: Work = async () => {
        await sleep(100);
        done++;
      };
      await working(
        queue,
        work,
        async () => {
          const telling = handOut(queue, given);
          await until(() => done >= 5);
          await broker.restart();
          const told = await telling;
          expect(told.failed).toEqual([]);
          expect(told.done.sort()).toEqual(given.map((one) => one.name).sort());
        },
        2,
      );
      expect(done).toBeGreaterThanOrEqual(30);
      expect(done).toBeLessThan(40); // those that were being done may be done twice
    });

    test("handing out costs less than 2% of a job of 5 s", async () => {
      const given = jobs("costs", 200);
      await working(
        queue,
        async () => {},
        async () => {
          const started = performance.now();
          await handOut(queue, given);
          const each = (performance.now() - started) / given.length;
          console.info(`${name}: ${each.toFixed(2)} ms per job`);
          expect(each).toBeLessThan(0.02 * 5000);
        },
        1,
      );
    });
  });

test("nobody there, a wrong password, no address: one line, without the password", async () => {
  await expect(openJobQueue("redis://:hidden@127.0.0.1:1")).rejects.toThrow(
    /^queue: Redis, Valkey or Postgres expected at redis:\/\/127\.0\.0\.1:1, found none that answers \(.*\); start it/,
  );
  await expect(openJobQueue("postgres://a:hidden@127.0.0.1:1/b")).rejects.toThrow(
    /at postgres:\/\/127\.0\.0\.1:1\/b, found none/,
  );
  await expect(openJobQueue("redis://:hidden@127.0.0.1:1")).rejects.not.toThrow(/hidden/);
  await expect(openJobQueue("amqp://u:hidden@somewhere")).rejects.toThrow(/^--queue: .* found amqp:\/\/somewhere/);
});
