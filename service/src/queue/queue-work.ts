/** A worker: takes jobs, does them, and hands back what it cannot finish. */
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { DelayedError, UnrecoverableError } from "bullmq";
import type { Job, Work, WorkOptions } from "earlyexit";
import type { Broker, BrokerJob } from "./broker.ts";

/**
 * A worker that was killed renews nothing: after `LOCK_MS` its job is free, and within `STALLED_MS` more another one has it. A job that
 * has lost so many workers is at fault itself. Measured with a kill every 3 s; the library's own 30 s take four times as long.
 */
const LOCK_MS = 5_000;
const STALLED_MS = 2_000;
const MOST_STALLED = 5;
/** What the library says of a job that was given to another worker. */
const LOST = /^could not renew lock|not in the active state|^Missing lock/;
/** Between two looks at whether a job is cancelled. */
const LOOK_MS = 2_000;
/** So long nobody may take a job that is handed back: the worker that stops would be the first to do so. */
const HANDED_BACK_MS = 1_000;
/** For what is being done to stop, and for the last words to a broker that may be away. */
const FAREWELL_MS = 30_000;

/** Until `signal` is aborted: then what is being done stops at its next step, and waits in the queue again. */
export async function workOnQueue(
  broker: Broker,
  works: Readonly<Record<string, Work>>,
  { parallel, log, signal }: WorkOptions,
): Promise<void> {
  const worker = broker.worker((job, token) => doJob(broker, works, job, token, { log, signal }), {
    concurrency: parallel,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_MS,
    maxStalledCount: MOST_STALLED,
  });
  let isAway = false;
  worker.on("error", (error) => {
    if (LOST.test(error.message)) return log("a job is another worker's now: this one gave no sign for too long");
    if (!isAway && !signal.aborted) log(`the queue does not answer (${error.message || error.name}); waiting for it`);
    isAway = true;
  });
  worker.on("active", () => {
    isAway = false;
  });
  worker.on("stalled", (id) => log(`job ${id.slice(0, 12)} has lost its worker and waits again`));
  if (!signal.aborted)
    await new Promise<void>((stop) => signal.addEventListener("abort", () => stop(), { once: true }));
  const closing = worker.close();
  await Promise.race([closing.catch(() => undefined), sleep(FAREWELL_MS, undefined, { ref: false })]);
}

interface Hooks {
  readonly log: (text: string) => void;
  readonly signal: AbortSignal;
}

async function doJob(
  { queue }: Broker,
  works: Readonly<Record<string, Work>>,
  stored: BrokerJob,
  token: string | undefined,
  { log, signal }: Hooks,
): Promise<void> {
  const { kind, name, input, isCancelled } = stored.data;
  const job: Job = { id: stored.id!, kind, name, input };
  const work = works[kind];
  if (isCancelled) throw new UnrecoverableError("cancelled");
  if (!work) throw new UnrecoverableError(`a job of kind ${Object.keys(works).join(" or ")} expected, found ${kind}`);
  const cancelled = new AbortController();
  const look = setInterval(() => {
    queue.getJob(job.id).then(
      (now) => now?.data.isCancelled && cancelled.abort(),
      () => undefined, // the queue is away: asked again
    );
  }, LOOK_MS);
  let told: Promise<unknown> = Promise.resolve();
  const tell = (text: string): void => {
    told = told.then(() => stored.log(text)).catch(() => undefined); // one after the other, whatever the broker does
  };
  tell(`begun by ${hostname()}, process ${process.pid}`);
  try {
    await work(job, { log: tell, signal: AbortSignal.any([signal, cancelled.signal]) });
  } catch (error) {
    if (cancelled.signal.aborted) throw new UnrecoverableError("cancelled");
    if (signal.aborted) {
      log(`${name}: handed back`);
      tell("handed back");
      await stored.moveToDelayed(Date.now() + HANDED_BACK_MS, token);
      throw new DelayedError();
    }
    log(`${name} failed: ${(error as Error).message}`);
    tell(`failed: ${(error as Error).message}`);
    throw error;
  } finally {
    clearInterval(look);
  }
}
