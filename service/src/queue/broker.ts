/** Where jobs wait: Redis (or Valkey), or Postgres. BullMQ runs on both; this is the only file that knows which. */
import { setTimeout as sleep } from "node:timers/promises";
import { createPostgresBackend, Queue, QueueEvents, Worker, type WorkerOptions, withBackend } from "bullmq";
import { UserError, VERSION } from "earlyexit";

/** What BullMQ keeps of a job. */
export interface StoredJob {
  readonly kind: string;
  readonly name: string;
  readonly input: object;
  /** Somebody wants it stopped. */
  readonly isCancelled?: true;
}

/** Workers of another version cannot do jobs alike: they look elsewhere. */
const NAME = `earlyexit-${VERSION}`;
const SCHEMA = "earlyexit_jobs";
/** Connections of a queue, and as many of a worker, which has one more to listen with: a Postgres server allows 100 where nobody says more. */
const CONNECTIONS = 2;
/** So long a broker may take to answer at the start. */
const PATIENCE_MS = 20_000; // tables may have to be made
/** A Redis that refuses is asked again so often, after 0.1, 0.2, 0.4, .. s; once it has answered it is waited for. */
const FIRST_TRIES = 5;

type Processor = (job: BrokerJob, token?: string) => Promise<void>;
export type BrokerQueue = Queue<StoredJob, void>;
export type BrokerJob = NonNullable<Awaited<ReturnType<BrokerQueue["getJob"]>>>;

export interface Broker {
  /** Without its password. */
  readonly place: string;
  readonly queue: BrokerQueue;
  events(): QueueEvents;
  worker(work: Processor, options: Omit<WorkerOptions, "connection">): Worker<StoredJob, void>;
  /** Ends it even where nobody answers any more. */
  close(): Promise<void>;
}

/** @throws {UserError} if the address is none, or nobody answers there */
export async function openBroker(address: string): Promise<Broker> {
  const url = parsed(address);
  const place = shown(url);
  const broker = /^rediss?:$/.test(url.protocol) ? onRedis(address, place) : onPostgres(address, place);
  let last: Error | null = null;
  broker.queue.on("error", (error) => {
    last = error;
  });
  try {
    await withinPatience(broker.queue.waitUntilReady());
  } catch (cause) {
    await broker.close();
    const reason = reasonOf(last ?? cause, url);
    throw new UserError(
      `queue: Redis, Valkey or Postgres expected at ${place}, found none that answers (${reason}); start it, or check address and password`,
      { cause },
    );
  }
  return broker;
}

function onRedis(address: string, place: string): Broker {
  let [isClosed, isOpen] = [false, false];
  const connection = {
    url: address,
    maxRetriesPerRequest: null,
    retryStrategy: (times: number) =>
      isClosed || (!isOpen && times > FIRST_TRIES) ? null : Math.min(50 * 2 ** Math.min(times, 6), 2000),
  };
  const queue: BrokerQueue = new Queue(NAME, { connection });
  queue.waitUntilReady().then(
    () => {
      isOpen = true;
    },
    () => undefined, // told by whoever opens it
  );
  return {
    place,
    queue,
    async close() {
      isClosed = true;
      await closed(queue);
    },
    events: () => new QueueEvents(NAME, { connection }),
    worker: (work, options) => new Worker(NAME, work, { ...options, connection }),
  };
}

function onPostgres(address: string, place: string): Broker {
  const bound = withBackend(createPostgresBackend);
  const connection = { connectionString: address, schema: SCHEMA, migrate: true, max: CONNECTIONS };
  const queue = new bound.Queue(NAME, { connection }) as unknown as BrokerQueue;
  return {
    place,
    queue,
    close: () => closed(queue),
    events: () => new bound.QueueEvents(NAME, { connection }) as unknown as QueueEvents,
    worker: (work, options) =>
      new bound.Worker(NAME, work as never, { ...options, connection }) as unknown as Worker<StoredJob, void>,
  };
}

function parsed(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url && /^(rediss?|postgres(ql)?):$/.test(url.protocol)) return url;
  throw new UserError(
    `--queue: redis://, rediss:// or postgres:// and an address expected, found ${url ? shown(url) : "another text"}; correct it`,
  );
}

function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname === "/" ? "" : url.pathname}`;
}

function reasonOf(error: unknown, { password }: URL): string {
  const { message, code } = error as NodeJS.ErrnoException;
  const said = message || code || "no reason given";
  return password === "" ? said : said.replaceAll(decodeURIComponent(password), "...");
}

function closed(queue: BrokerQueue): Promise<void> {
  return Promise.race([queue.close().catch(() => undefined), sleep(2000, undefined, { ref: false })]);
}

async function withinPatience<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => undefined);
  }
}
