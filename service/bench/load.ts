/**
 * A process that sends load by autocannon and tells of every answer: how soon, with which status, right or wrong, at which price.
 *
 * autocannon sends what a connection may send in a second at once, at the second's beginning. Load of a rate is therefore sent by
 * many small instances, one begun every hundredth of a second, each of whose connections sends one picture a second: slow answers
 * hold nothing up, and no wait is left out of the times.
 */
import autocannon from "autocannon";

/** Either as fast as the connections are answered, or so many a second. */
export type Phase = { readonly fromSeconds: number; readonly seconds: number } & (
  | { readonly connections: number }
  | { readonly perSecond: number }
);

export interface LoadJob {
  readonly url: string;
  /** With the query. */
  readonly path: string;
  readonly pictures: readonly Uint8Array[];
  /** Name of the right class of each picture. */
  readonly names: readonly string[];
  readonly phases: readonly Phase[];
}

export interface LoadedAnswer {
  /** Seconds since the start. */
  at: number;
  ms: number;
  readonly status: number;
  readonly right: boolean;
  /** NaN where the answer has none. */
  readonly price: number;
}

export interface LoadResult {
  readonly answers: readonly LoadedAnswer[];
  /** Requests without an answer: connections that broke, and what took longer than 10 s. */
  readonly failed: number;
}

/** Instances that begin one after the other within a second. */
const SLOTS = 100;
const TIMEOUT_SECONDS = 10;
/** autocannon's own statistics, which nobody asks for: megabytes of each instance, and a stop of the whole process while they are packed. */
const ignored = () => undefined;
const nothing = { recordValue: ignored, recordValueWithExpectedInterval: ignored, destroy: ignored, __custom: true };
const NONE = { latencies: nothing, requests: nothing, throughput: nothing };

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function load({ url, path, pictures, names, phases }: LoadJob): Promise<LoadResult> {
  const started = performance.now();
  const answers: LoadedAnswer[] = [];
  let next = 0;
  let failed = 0;
  const request = {
    method: "POST",
    path,
    setupRequest(one: object) {
      const picture = next++ % pictures.length;
      const headers = { "content-type": "image/jpeg", "x-request-id": String(picture) };
      return { ...one, body: pictures[picture], headers };
    },
    onResponse(status: number, body: string, _context: object, headers: Record<string, string>) {
      const right = body.includes(`"class":"${names[Number(headers["x-request-id"])]}"`);
      const price = Number(/"price":([\d.e-]+)/.exec(body)?.[1] ?? Number.NaN);
      answers.push({ at: Number.NaN, ms: Number.NaN, status, right, price });
    },
  };

  function fire(connections: number, seconds: number, rate: number | null): Promise<void> {
    const own = { histograms: NONE, skipAggregateResult: true };
    const options = { url, connections, duration: seconds, requests: [request], timeout: TIMEOUT_SECONDS, ...own };
    return new Promise((resolve, reject) => {
      // the types know neither bodies of bytes nor headers in onResponse
      const given = { ...options, ...(rate === null ? {} : { overallRate: rate }) } as unknown as autocannon.Options;
      const instance = autocannon(given, (error, result) => {
        if (error) return reject(error);
        failed += result.errors;
        resolve();
      });
      instance.on("response", (_client, _status, _bytes, ms) => {
        Object.assign(answers.at(-1)!, { at: (performance.now() - started) / 1000, ms });
      });
    });
  }

  async function run(phase: Phase): Promise<void> {
    await wait(1000 * phase.fromSeconds);
    if ("connections" in phase) return fire(phase.connections, phase.seconds, null);
    const perSecond = Math.round(phase.perSecond);
    const slots = Math.min(SLOTS, perSecond);
    const upTo = (slot: number): number => Math.floor((slot * perSecond) / slots);
    await Promise.all(
      Array.from({ length: slots }, async (_, slot) => {
        await wait((1000 * slot) / slots);
        await fire(upTo(slot + 1) - upTo(slot), phase.seconds, upTo(slot + 1) - upTo(slot));
      }),
    );
  }

  await Promise.all(phases.map(run));
  return { answers, failed };
}

process.on("message", (job: LoadJob) => {
  void load(job).then((result) => process.send!(result));
});
process.on("disconnect", () => process.exit(0));
