/** Requests wait here until a worker has room: batches are what arrived meanwhile, the price is what the wait makes it. */
import type { Classification } from "earlyexit";
import type { Job, Picture } from "./messages.ts";
import { createPace } from "./pace.ts";
import { type PriceOptions, priceOf } from "./price.ts";
import type { WorkerPool } from "./worker-pool.ts";

export interface QueueOptions {
  readonly price: PriceOptions;
  /** Pictures per batch, at most. */
  readonly maxBatch: number;
  /** How long a picture may wait for others to come while a worker has room. */
  readonly batchWaitMs: number;
  /** The promised time from request to answer. */
  readonly sloMs: number;
  readonly workers: number;
  /** Pictures that may wait, whatever their price: a bound on memory. */
  readonly mostWaiting: number;
}

export interface Wish {
  readonly picture: Picture;
  /** Instead of the price of the moment. */
  readonly lambda?: number;
  readonly deadlineMs?: number;
  /** The answer is to tell what every exit on the way said. */
  readonly explain?: boolean;
  readonly signal?: AbortSignal;
}

export interface Served {
  readonly answer: Classification;
  /** The lambda that it was answered at. */
  readonly price: number;
  readonly waitMs: number;
}

/** Even at the highest price the promise could not be kept. */
export class Overloaded extends Error {
  readonly retryAfterSeconds: number;
  constructor(waiting: number, retryAfterSeconds: number) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0; // thousands a second are refused, and a stack takes a tenth of a millisecond
    super(`overloaded: fewer than ${waiting} waiting pictures expected; try again in ${retryAfterSeconds} s`);
    Error.stackTraceLimit = stackTraceLimit;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The picture cannot be read, for the reason given. */
export class BadPicture extends Error {}

interface Entry extends Wish {
  readonly queuedAt: number;
  resolve(served: Served): void;
  reject(error: unknown): void;
}

export interface BatchEvent {
  readonly size: number;
  readonly price: number;
  readonly computeMs: number;
}

/** Of the promised time, what may go by until the last picture is computed; the rest is for HTTP, and for what varies. */
const ADMIT_SHARE = 0.6;
/** Of the promised time, what one batch may take: a picture waits for the one before, and is answered with all of its own. */
const BATCH_SHARE = 0.25;

/**
 * @param cheapestMs milliseconds per picture at the highest price, all workers together: the first estimate
 * @param onQuiet nothing waits and nothing is at work any more
 */
export function createQueue(
  options: QueueOptions,
  pool: () => WorkerPool,
  cheapestMs: number,
  onBatch: (event: BatchEvent) => void = () => undefined,
  onQuiet: () => void = () => undefined,
) {
  const entries: Entry[] = [];
  let nextId = 0;
  const pace = createPace(cheapestMs);
  const cheapest = createPace(cheapestMs);
  let atWork = 0;
  let picturesAtWork = 0;
  /** When a batch was last done, if the workers have been full since. */
  let fullSince: number | null = null;
  let timer: NodeJS.Timeout | null = null;
  let onIdle: (() => void) | null = null;

  const isQuiet = (): boolean => atWork === 0 && entries.length === 0;

  /** How long the newest one will have waited, as things go now. */
  const expectedWaitMs = (): number => entries.length * pace.ms;

  /** Pictures that may wait now; one for each worker always may, so that there is always something to learn the pace from. */
  const roomFor = (): number =>
    Math.max(options.workers, mostWaiting(options, Math.min(cheapest.ms, pace.ms)) - picturesAtWork);

  function enqueue(wish: Wish): Promise<Served> {
    wish.signal?.throwIfAborted();
    const most = Math.min(options.mostWaiting, roomFor());
    if (entries.length >= most) throw new Overloaded(most, Math.max(1, Math.ceil(expectedWaitMs() / 1000)));
    return new Promise((resolve, reject) => {
      const entry = { ...wish, queuedAt: performance.now(), resolve, reject };
      entries.push(entry);
      wish.signal?.addEventListener("abort", () => drop(entry), { once: true });
      pump();
    });
  }

  function drop(entry: Entry): void {
    const at = entries.indexOf(entry);
    if (at >= 0) entries.splice(at, 1);
    entry.reject(entry.signal?.reason);
  }

  function pump(): void {
    while (entries.length > 0 && pool().hasRoom) {
      const age = performance.now() - entries[0]!.queuedAt;
      if (entries.length < batchSize(options, pace.ms) && age < options.batchWaitMs) {
        if (timer) return;
        timer = setTimeout(() => {
          timer = null;
          pump();
        }, options.batchWaitMs - age);
        return;
      }
      void dispatch(age);
    }
  }

  async function dispatch(age: number): Promise<void> {
    const price = priceOf(options.price, Math.max(age, expectedWaitMs()));
    const batch = takeBatch(entries, batchSize(options, pace.ms));
    const { lambda = price, deadlineMs, queuedAt } = batch[0]!;
    const sentAt = performance.now();
    const job: Job = {
      id: nextId++,
      lambda,
      ...(deadlineMs === undefined ? {} : { deadlineMs: Math.max(0, deadlineMs - (sentAt - queuedAt)) }),
      ...(batch.some(({ explain }) => explain) ? { explain: true } : {}),
      pictures: batch.map(({ picture }) => picture),
    };
    atWork++;
    picturesAtWork += batch.length;
    try {
      const { outcomes, computeMs } = await pool().run(job);
      keepPace(lambda, batch.length);
      onBatch({ size: batch.length, price: lambda, computeMs });
      for (const [i, entry] of batch.entries()) {
        const outcome = outcomes[i]!;
        if ("mistake" in outcome) entry.reject(new BadPicture(outcome.mistake));
        else if ("answer" in outcome)
          entry.resolve({ answer: outcome.answer, price: lambda, waitMs: sentAt - entry.queuedAt });
      }
    } catch (error) {
      for (const entry of batch) entry.reject(error);
    } finally {
      atWork--;
      picturesAtWork -= batch.length;
      pump();
      if (pool().hasRoom) fullSince = null;
      if (isQuiet()) {
        onIdle?.();
        onQuiet();
      }
    }
  }

  function keepPace(lambda: number, pictures: number): void {
    const now = performance.now();
    if (fullSince !== null) {
      pace.add(now - fullSince, pictures);
      if (lambda >= options.price.most) cheapest.add(now - fullSince, pictures);
    }
    fullSince = now;
  }

  return {
    enqueue,
    pump,
    get waiting(): number {
      return entries.length;
    },
    /** What a picture that came now would pay. */
    get price(): number {
      const age = entries[0] ? performance.now() - entries[0].queuedAt : 0;
      return priceOf(options.price, Math.max(age, expectedWaitMs()));
    },
    /** Nothing waits and nothing is at work. */
    isQuiet,
    /** Once it is quiet. */
    async idle(): Promise<void> {
      if (!isQuiet()) await new Promise<void>((done) => (onIdle = done));
    },
  };
}

export type RequestQueue = ReturnType<typeof createQueue>;

/** How many pictures may wait or be at work so that the last of them is answered in time at the highest price. */
export function mostWaiting({ sloMs }: QueueOptions, cheapestMs: number): number {
  return Math.floor((ADMIT_SHARE * sloMs) / cheapestMs);
}

/** As many as a worker answers in its part of the promised time; at least one. @param paceMs per picture, all workers together */
export function batchSize({ sloMs, workers, maxBatch }: QueueOptions, paceMs: number): number {
  return Math.max(1, Math.min(maxBatch, Math.floor((BATCH_SHARE * sloMs) / (paceMs * workers))));
}

/** The oldest one and those behind it that may be computed with it: at the same wish, none with a deadline. */
function takeBatch(entries: Entry[], most: number): Entry[] {
  const first = entries.shift()!;
  const batch = [first];
  if (first.deadlineMs !== undefined) return batch;
  for (let i = 0; i < entries.length && batch.length < most; ) {
    const { lambda, deadlineMs } = entries[i]!;
    if (lambda === first.lambda && deadlineMs === undefined) batch.push(...entries.splice(i, 1));
    else i++;
  }
  return batch;
}
