/**
 * Whether a service's memory stays what it is: `npm run bench:memory [-- --model DIR --data PATH --minutes 30 --json]`, on Linux.
 *
 * A few connections ask all the time; answers are kept in a store. Every few seconds the resident memory of the
 * service and of all its workers is read. What counts is the second half, when all that is made once is made:
 *
 *     growth = slope of the least-squares line through (time, memory) of the second half
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { jpegPictures, openModel } from "./materials.ts";
import { startLoad, startService } from "./processes.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "models/cifar10" },
    data: { type: "string" },
    minutes: { type: "string", default: "30" },
    json: { type: "boolean", default: false },
  },
});
const SECONDS = 60 * Number(flags.minutes);
const CONNECTIONS = 2;
const PICTURES = 200;
const SAMPLES = 120;
const MIB = 1024; // of KiB

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Resident MiB of a process and of those that it started. */
async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const own = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / MIB;
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).split(" ").filter(Boolean).map(Number);
  const theirs = await Promise.all(children.map(residentMib));
  return theirs.reduce((sum, one) => sum + one, own);
}

interface Sample {
  readonly seconds: number;
  readonly mib: number;
}

/** MiB an hour. */
function growth(samples: readonly Sample[]): number {
  const mean = (of: (one: Sample) => number): number => samples.reduce((sum, one) => sum + of(one), 0) / samples.length;
  const [seconds, mib] = [mean((one) => one.seconds), mean((one) => one.mib)];
  const above = mean((one) => (one.seconds - seconds) * (one.mib - mib));
  return (3600 * above) / mean((one) => (one.seconds - seconds) ** 2);
}

const { network } = await openModel(flags.model);
const pictures = await jpegPictures(flags.data ?? network.provenance.dataset.name, network.provenance.seed, PICTURES);
const folder = await mkdtemp(join(tmpdir(), "earlyexit-bench-memory-"));
const service = await startService(flags.model, ["--store", join(folder, "store")]);
const load = startLoad();
try {
  const started = performance.now();
  const phases = [{ fromSeconds: 0, seconds: SECONDS, connections: CONNECTIONS }];
  let isOver = false;
  const loading = load
    .send({ url: service.url, path: "/v1/classify", pictures: pictures.files, names: pictures.names, phases })
    .finally(() => (isOver = true));
  const samples: Sample[] = [];
  while (!isOver) {
    samples.push({ seconds: (performance.now() - started) / 1000, mib: await residentMib(service.pid) });
    await wait((1000 * SECONDS) / SAMPLES);
  }
  const { answers, failed } = await loading;
  const late = samples.slice(samples.length / 2);
  const figures = {
    minutes: SECONDS / 60,
    requests: answers.length,
    failed: failed + answers.filter(({ status }) => status !== 200).length,
    mib: {
      start: samples[0]!.mib,
      half: late[0]!.mib,
      end: late.at(-1)!.mib,
      most: Math.max(...samples.map(({ mib }) => mib)),
    },
    growthMibPerHour: growth(late),
  };
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
} finally {
  await load.end();
  await service.end();
  await rm(folder, { recursive: true, force: true });
}
