/** Jobs are put into the queue once, and waited for until each is done or has failed. */
import { setTimeout as sleep } from "node:timers/promises";
import type { HandOut, Job } from "earlyexit";
import type { Broker, StoredJob } from "./broker.ts";

/** Jobs in one message to the broker. */
const AT_ONCE = 200;
/** A job is tried so often, with waits of 1, 2, 4, .. s between. */
const ATTEMPTS = 4;
const BACKOFF_MS = 1_000;
/** What is done is listed for a week; its result is in its file. */
const FORGOTTEN_S = 7 * 24 * 3600;
/** Events may be lost with a broker that was restarted: the jobs themselves are asked, some at a time. */
const ASK_MS = 2_000;
const ASKED = 500;
/** A broker that is away is asked again after so long; one that says nothing for so long is told to be away. */
const AGAIN_MS = 1_000;
const SILENT_MS = 5_000;
/** So long nobody may take a job before that is told. */
const NOBODY_MS = 10_000;

/** One that is in the queue already is not put there twice; what has failed or is done there is tried again: its result is missing. */
export function queueHandOut(broker: Broker): HandOut {
  return async (jobs, { onDone, onFailed, log = () => {}, signal }) => {
    const { queue } = broker;
    const open = new Map(jobs.map((job) => [job.id, job]));
    const finish = (id: string, failure: string | null): void => {
      const job = open.get(id);
      if (!job || !open.delete(id)) return;
      if (failure === null) onDone(job);
      else onFailed(job, failure);
    };
    const patiently = patience({ log, ...(signal ? { signal } : {}) });
    const events = broker.events();
    events.on("error", () => undefined); // it connects again by itself
    events.on("completed", ({ jobId }) => finish(jobId, null));
    try {
      await events.waitUntilReady();
      for (let from = 0; from < jobs.length; from += AT_ONCE) {
        signal?.throwIfAborted();
        await patiently(() => putIn(queue, jobs.slice(from, from + AT_ONCE)));
      }
      const started = Date.now();
      let [asked, isTold] = [0, false];
      while (open.size > 0) {
        await sleep(ASK_MS / 10, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
        if (Date.now() - asked < ASK_MS) continue;
        asked = Date.now();
        await patiently(() => askSome(queue, open, finish));
        if (!isTold && asked - started > NOBODY_MS && (await patiently(() => queue.getWorkersCount())) === 0) {
          isTold = true;
          log(
            `nobody takes jobs from ${broker.place} yet: start 'earlyexit worker --queue ${broker.place}', of this version`,
          );
        }
      }
    } finally {
      await Promise.race([events.close().catch(() => undefined), sleep(2000, undefined, { ref: false })]);
    }
  };
}

/**
 * Asks a broker that has answered before until it answers again, and tells once that it is waited for. What is asked may be asked twice.
 * Redis keeps a question until it is back, Postgres refuses it.
 */
function patience({ log, signal }: { log: (text: string) => void; signal?: AbortSignal }) {
  let isAway = false;
  const tell = (reason: string): void => {
    if (!isAway) log(`the queue does not answer (${reason}); waiting for it`);
    isAway = true;
  };
  return async <T>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      const timer = setTimeout(() => tell(`for ${SILENT_MS / 1000} s`), SILENT_MS);
      try {
        const answer = await unlessAborted(ask(), signal);
        if (isAway) log("the queue answers again");
        isAway = false;
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) throw error;
        tell((error as Error).message || (error as Error).name);
      } finally {
        clearTimeout(timer);
      }
      await sleep(AGAIN_MS, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  };
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  promise.catch(() => undefined); // nobody may be there any more
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function putIn(queue: Broker["queue"], jobs: readonly Job[]): Promise<void> {
  await Promise.all(
    jobs.map(async ({ id }) => {
      const state = await queue.getJobState(id);
      if (state === "completed" || state === "failed") await queue.remove(id);
    }),
  );
  await queue.addBulk(
    jobs.map(({ id, kind, name, input }) => ({
      name: kind,
      data: { kind, name, input } satisfies StoredJob,
      opts: {
        jobId: id,
        attempts: ATTEMPTS,
        backoff: { type: "exponential", delay: BACKOFF_MS },
        removeOnComplete: { age: FORGOTTEN_S },
      },
    })),
  );
}

/** The first of those that are open; they move to the end, so that all have their turn. */
async function askSome(
  queue: Broker["queue"],
  open: Map<string, Job>,
  finish: (id: string, failure: string | null) => void,
): Promise<void> {
  const some = [...open].slice(0, ASKED);
  await Promise.all(
    some.map(async ([id, job]) => {
      const found = await queue.getJob(id);
      const state = found ? await found.getState() : "unknown";
      if (state === "completed") finish(id, null);
      else if (state === "failed") finish(id, found!.failedReason || "no reason given");
      else if (!found) finish(id, "cancelled");
      else if (open.delete(id)) open.set(id, job);
    }),
  );
}
