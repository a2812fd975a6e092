/**
 * How the service stands load: `npm run bench:serve [-- --model DIR --data PATH --json --short]`.
 *
 * Load comes from a process of its own (`load.ts`), pictures are JPEG files, everything stays on this computer. Service, handler and
 * classifier take turns for what is compared with each other: overhead, share, floor, capacities. Then comes more than the handler can
 * answer, a burst, and more than anybody can. Times are from request to answer, as the sender sees them; p99 counts every answer.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AdaptiveClassifier } from "earlyexit";
import type { LoadedAnswer, LoadResult, Phase } from "./load.ts";
import { jpegPictures, openModel, type Pictures, writeFloorModel, writeWholeNetwork } from "./materials.ts";
import { type LoadProcess, startLoad, startPeer, startService } from "./processes.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "models/cifar10" },
    data: { type: "string" },
    slo: { type: "string", default: "50" },
    /** More for the service, as one text, e.g. "--batch-wait-ms 2". */
    serve: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    /** Whether it runs to the end, no figures. */
    short: { type: "boolean", default: false },
  },
});
const { short } = flags;
const TURNS = short ? 1 : 4;
const TURN_SECONDS = short ? 1 : 2;
/** Of load before anything is measured: until V8 has compiled what is called often, a request costs the service five times as much. */
const WARM_SECONDS = short ? 1 : 6;
const WARM_PER_SECOND = 300;
const LOAD_SECONDS = short ? 2 : 10;
const PICTURES = short ? 200 : 2000;
/** Enough to keep all workers full with batches of eight, too few for a refusal. */
const CONNECTIONS = 32;
/** Pictures of a batch of the classifier alone. */
const BATCH = 16;
const BACK_WINDOW_SECONDS = 0.5;

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN;
const median = (values: readonly number[]): number => quantile(values, 0.5);
const good = ({ answers }: LoadResult): LoadedAnswer[] => answers.filter(({ status }) => status === 200);
const accuracyOf = (answers: readonly LoadedAnswer[]): number =>
  answers.filter(({ right }) => right).length / answers.length;
const lostOf = (result: LoadResult): number => result.answers.length - good(result).length + result.failed;

interface Bench {
  readonly load: LoadProcess;
  readonly pictures: Pictures;
  readonly classifier: AdaptiveClassifier;
  readonly batches: AdaptiveClassifier;
  readonly urls: { readonly service: string; readonly peer: string; readonly floor: string };
}

function send({ load, pictures }: Bench, url: string, query: string, phases: readonly Phase[]): Promise<LoadResult> {
  return load.send({ url, path: `/v1/classify${query}`, pictures: pictures.files, names: pictures.names, phases });
}

/** Answers a second while so many connections ask as fast as they are answered. */
async function capacity(bench: Bench, url: string, query = "", connections = CONNECTIONS): Promise<number> {
  const result = await send(bench, url, query, [{ fromSeconds: 0, seconds: TURN_SECONDS, connections }]);
  return good(result).length / TURN_SECONDS;
}

/** One picture at a time, HTTP and classifier in turns: [milliseconds of each answer]. */
async function alone({ classifier, pictures }: Bench): Promise<number[]> {
  const until = performance.now() + 1000 * TURN_SECONDS;
  const times: number[] = [];
  for (let i = 0; performance.now() < until; i++) {
    const started = performance.now();
    await classifier.classify(pictures.files[i % pictures.files.length]!);
    times.push(performance.now() - started);
  }
  return times;
}

async function batchesAlone({ batches, pictures }: Bench): Promise<number> {
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < 1000 * TURN_SECONDS) {
    const from = done % (pictures.files.length - BATCH + 1);
    await batches.classifyBatch(pictures.files.slice(from, from + BATCH));
    done += BATCH;
  }
  return (1000 * done) / (performance.now() - started);
}

/** Milliseconds of one picture, alone and by HTTP; pictures a second of the others. */
interface Turn {
  readonly aloneMs: number;
  readonly httpMs: number;
  /** The classifier in batches, without a service. */
  readonly batches: number;
  readonly fixed: number;
  readonly peer: number;
  /** Everybody leaves at the first exit, mostly. */
  readonly first: number;
  readonly floor: number;
}

async function inTurns(bench: Bench) {
  const { service, peer, floor } = bench.urls;
  const { lambda, policy } = bench.classifier;
  for (const url of [service, peer, floor])
    await send(bench, url, "", [{ fromSeconds: 0, seconds: WARM_SECONDS, connections: CONNECTIONS }]);
  // the sender, too: its first load of a rate would come in heaps
  await send(bench, floor, "", [{ fromSeconds: 0, seconds: WARM_SECONDS, perSecond: WARM_PER_SECOND }]);
  await alone(bench);
  await batchesAlone(bench);
  const turns: Turn[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const one = { fromSeconds: 0, seconds: TURN_SECONDS, connections: 1 };
    turns.push({
      aloneMs: median(await alone(bench)),
      httpMs: median((await send(bench, service, "", [one])).answers.map(({ ms }) => ms)),
      batches: await batchesAlone(bench),
      fixed: await capacity(bench, service, `?lambda=${lambda}`),
      peer: await capacity(bench, peer),
      first: await capacity(bench, service, `?lambda=${policy.agent.lambdaRange.to}`),
      floor: await capacity(bench, floor),
    });
    say(`turn ${turn + 1}: ${JSON.stringify(turns[turn])}`);
  }
  const of = (name: keyof Turn): number => median(turns.map((one) => one[name]));
  return { of, overheadMs: median(turns.map(({ httpMs, aloneMs }) => httpMs - aloneMs)), turns };
}

/** What every picture is answered at the fixed lambda. */
async function fixedAccuracy({ classifier, pictures: { files, names } }: Bench): Promise<number> {
  const answers = await classifier.classifyBatch(files);
  return answers.filter(({ label }, i) => label === names[i]).length / files.length;
}

async function peerLoad(bench: Bench, times: number, perSecond: number, accuracy: number) {
  const result = await send(bench, bench.urls.service, "", [{ fromSeconds: 0, seconds: LOAD_SECONDS, perSecond }]);
  const answered = good(result);
  const p99Ms = quantile(
    answered.map(({ ms }) => ms),
    0.99,
  );
  return { times, perSecond, lost: lostOf(result), p99Ms, accuracyDrop: accuracy - accuracyOf(answered) };
}

/** Light load all the time, and in the middle of it a burst. */
async function burst(bench: Bench, times: number, fixedPerSecond: number, accuracy: number) {
  const [before, after] = [1, 6];
  const end = before + LOAD_SECONDS;
  const result = await send(bench, bench.urls.service, "", [
    { fromSeconds: 0, seconds: end + after, perSecond: 0.1 * fixedPerSecond },
    { fromSeconds: before, seconds: LOAD_SECONDS, perSecond: times * fixedPerSecond },
  ]);
  const base = bench.classifier.lambda;
  const windows = Array.from({ length: after / BACK_WINDOW_SECONDS }, (_, i) => {
    const from = end + 1 + i * BACK_WINDOW_SECONDS; // what began last, begins a second late
    const prices = good(result).filter(({ at }) => at >= from && at < from + BACK_WINDOW_SECONDS);
    return median(prices.map(({ price }) => price));
  });
  const back = windows.findIndex((price) => price < 1.2 * base);
  const during = good(result).filter(({ at }) => at >= before && at < end);
  const p99Ms = quantile(
    during.map(({ ms }) => ms),
    0.99,
  );
  const recoverySeconds = back < 0 ? null : (back + 1) * BACK_WINDOW_SECONDS;
  return { times, lost: lostOf(result), recoverySeconds, accuracyDrop: accuracy - accuracyOf(during), p99Ms };
}

/** Twice what can be answered where everybody leaves at the first exit. */
async function overload(bench: Bench, perSecond: number) {
  const result = await send(bench, bench.urls.service, "", [{ fromSeconds: 0, seconds: LOAD_SECONDS, perSecond }]);
  const refused = result.answers.filter(({ status }) => status === 429);
  return {
    perSecond,
    refused: refused.length,
    refusedP99Ms: quantile(
      refused.map(({ ms }) => ms),
      0.99,
    ),
    admitted: good(result).length,
    admittedP99Ms: quantile(
      good(result).map(({ ms }) => ms),
      0.99,
    ),
    lost: result.answers.length - refused.length - good(result).length + result.failed,
  };
}

async function measure(bench: Bench) {
  const { of, overheadMs, turns } = await inTurns(bench);
  const accuracy = await fixedAccuracy(bench);
  const loads = [];
  for (const times of short ? [1.5] : [1.5, 2]) {
    loads.push(await peerLoad(bench, times, times * of("peer"), accuracy));
    say(JSON.stringify(loads.at(-1)));
  }
  const burstFigures = await burst(bench, 1.5, of("fixed"), accuracy);
  say(JSON.stringify(burstFigures));
  return {
    sloMs: Number(flags.slo),
    overheadP50Ms: overheadMs,
    throughputShare: of("fixed") / of("batches"),
    peerLoad: loads[0]!,
    peerLoadAim: loads[1] ?? null,
    burst: burstFigures,
    overload: await overload(bench, 1.5 * of("first")),
    floorPerSecond: of("floor"),
    peer: { name: "Fastify, sharp, onnxruntime-node, the whole network", capacityPerSecond: of("peer") },
    fixedLambda: { capacityPerSecond: of("fixed"), accuracy },
    firstExitPerSecond: of("first"),
    classifierPerSecond: of("batches"),
    turns,
  };
}

const folder = await mkdtemp(join(tmpdir(), "earlyexit-bench-serve-"));
const model = await openModel(flags.model);
const { provenance } = model.network;
const options = ["--slo-ms", flags.slo, ...flags.serve.split(" ").filter(Boolean)];
const started = [
  await startService(flags.model, options),
  await startPeer(await writeWholeNetwork(model, folder)),
  await startService(await writeFloorModel(model, folder), options),
];
const load = startLoad();
const classifier = await AdaptiveClassifier.load(flags.model, { threads: 1 });
const batches = await AdaptiveClassifier.load(flags.model);
try {
  const pictures = await jpegPictures(flags.data ?? provenance.dataset.name, provenance.seed, PICTURES);
  const [service, peer, floor] = started.map(({ url }) => url) as [string, string, string];
  const figures = await measure({ load, pictures, classifier, batches, urls: { service, peer, floor } });
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
} finally {
  await Promise.all([load.end(), ...started.map(({ end }) => end()), classifier.close(), batches.close()]);
  await rm(folder, { recursive: true, force: true });
}
