/**
 * What a queue costs, on a Redis and a Postgres of its own: `npm run bench:queue [-- --workers N --json --short]`.
 *
 * One worker that does nothing says what a job costs to put in and to take. A hundred workers, of whom each waits 5 s for a job as if
 * it were a shard, say what of that time goes into handing out, and what the broker itself computes meanwhile. Workers are connections of
 * this process: those that compute live elsewhere.
 */
import { setMaxListeners } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Job, JobQueue, Work } from "earlyexit";
import { Redis } from "ioredis";
import pg from "pg";
import { openJobQueue } from "../src/queue/job-queue.ts";
import { brokers, type TestBroker } from "../test/brokers.ts";

const { values: flags } = parseArgs({
  options: {
    workers: { type: "string", default: "100" },
    json: { type: "boolean", default: false },
    /** Whether it runs to the end, no figures. */
    short: { type: "boolean", default: false },
  },
});
const QUICK_JOBS = flags.short ? 100 : 2000;
const [WORKERS, ROUNDS, JOB_MS] = flags.short ? [5, 2, 500] : [Number(flags.workers), 4, 5000];
/** Linux counts a process's time in these. */
const TICK_MS = 10;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function jobs(prefix: string, count: number): Job[] {
  const padding = "x".repeat(600); // a shard's job says about so much
  return Array.from({ length: count }, (_, i) => {
    const name = `${prefix} ${i}`;
    return { id: Buffer.from(name).toString("hex"), kind: "note", name, input: { name, padding } };
  });
}

/** Workers until `until` is over. */
async function withWorkers<T>(address: string, count: number, work: Work, until: () => Promise<T>): Promise<T> {
  const stopped = new AbortController();
  setMaxListeners(count + 1, stopped.signal);
  const queues = await Promise.all(Array.from({ length: count }, () => openJobQueue(address)));
  const options = { parallel: 1, log: say, signal: stopped.signal };
  const over = queues.map((queue) => queue.work({ note: work }, options));
  await sleep(2000); // all are there
  try {
    return await until();
  } finally {
    stopped.abort();
    await Promise.all(over);
    await Promise.all(queues.map((queue) => queue.close()));
  }
}

async function secondsOf(queue: JobQueue, given: readonly Job[]): Promise<number> {
  const started = performance.now();
  let failed = 0;
  await queue.handOut(given, { onDone() {}, onFailed: () => void failed++ });
  if (failed > 0) throw new Error(`${failed} jobs failed`);
  return (performance.now() - started) / 1000;
}

/** Computing time of a process and those that it has started, in milliseconds. */
function cpuMs(pid: number): number {
  let ticks = 0;
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]!.split(" ");
      if (Number(name) === pid || Number(fields[1]) === pid) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // it has just ended
    }
  }
  return ticks * TICK_MS;
}

interface State {
  readonly bytes: number;
  readonly connections: number;
}

async function stateOf(address: string): Promise<State> {
  if (address.startsWith("redis")) {
    const client = new Redis(address);
    const info = await client.info();
    client.disconnect();
    const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)![1]);
    return { bytes: field("used_memory"), connections: field("connected_clients") };
  }
  const client = new pg.Client(address);
  await client.connect();
  const { rows } = await client.query(
    "SELECT pg_database_size(current_database())::float8 AS bytes, (SELECT count(*)::float8 FROM pg_stat_activity WHERE datname = current_database()) AS connections",
  );
  await client.end();
  return rows[0] as State;
}

async function measured(name: string, broker: TestBroker) {
  const { address } = broker;
  const queue = await openJobQueue(address);
  const before = await stateOf(address);
  const quick = await withWorkers(
    address,
    1,
    async () => {},
    () => secondsOf(queue, jobs("quick", QUICK_JOBS)),
  );
  const filled = await stateOf(address);
  const waiting: Work = async (_, { signal }) => {
    await sleep(JOB_MS, undefined, { signal: signal! });
  };
  const many = await withWorkers(address, WORKERS, waiting, async () => {
    const [started, connected] = [cpuMs(broker.pid()), await stateOf(address)];
    const seconds = await secondsOf(queue, jobs("many", WORKERS * ROUNDS));
    return { seconds, brokerMs: cpuMs(broker.pid()) - started, connections: connected.connections };
  });
  await queue.close();
  const ideal = (ROUNDS * JOB_MS) / 1000;
  return {
    broker: name,
    quickMs: (1000 * quick) / QUICK_JOBS,
    jobBytes: (filled.bytes - before.bytes) / QUICK_JOBS,
    workers: WORKERS,
    jobs: WORKERS * ROUNDS,
    jobSeconds: JOB_MS / 1000,
    seconds: many.seconds,
    overhead: many.seconds / ideal - 1,
    brokerShare: many.brokerMs / (1000 * many.seconds),
    connectionsPerWorker: (many.connections - before.connections) / WORKERS,
  };
}

const results = [];
for (const { name, start } of brokers()) {
  if (!start) continue;
  const broker = await start(["max_connections=1000", "shared_buffers=256MB"]);
  try {
    const one = await measured(name, broker);
    results.push(one);
    say(
      `${name}: ${one.quickMs.toFixed(2)} ms a job and ${Math.round(one.jobBytes)} bytes; ${one.workers} workers, ${one.jobs} jobs of ` +
        `${one.jobSeconds} s: ${one.seconds.toFixed(1)} s, ${(100 * one.overhead).toFixed(1)}% over; the broker computes ` +
        `${(100 * one.brokerShare).toFixed(1)}% of a core, ${one.connectionsPerWorker.toFixed(1)} connections a worker`,
    );
  } finally {
    await broker.stop();
  }
}
if (flags.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
process.exit(0); // connections that are closing wait for nobody
