/**
 * Whether a service gets over a change of its pictures by itself: `npm run bench:feedback [-- --model DIR --data PATH --json --short]`.
 *
 * Validation pictures, three tenths as bright, are answered and labelled; at 2,000 labels the service learns on and, if that is better,
 * exchanges its policy, while others go on asking. The test pictures, darkened likewise, are what is scored:
 *
 *     regained = (return of the new policy - return of the old one) / (return of optimal stopping - return of the old one)
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  createNodeRuntime,
  createSamples,
  type ExitLogits,
  type ExitTable,
  type LearnedPolicy,
  loadModel,
  openDataset,
  openExitLogits,
  type Samples,
} from "earlyexit";
import sharp from "sharp";
import { SHIFTS, shifted } from "../../bench/policy-images.ts";
import { optimalReturns } from "../../bench/policy-optimal.ts";
import { lambdaGrid } from "../../src/exits/lambda-grid.ts";
import { decidingAgent } from "../../src/policy/decider.ts";
import { imageReturns } from "../../src/policy/feedback.ts";
import { openStore } from "../src/store/open-store.ts";
import { storeSource } from "../src/version-source.ts";
import { openModel } from "./materials.ts";
import { startService } from "./processes.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "models/cifar10" },
    data: { type: "string" },
    json: { type: "boolean", default: false },
    /** Whether it runs to the end, no figures: 300 labels. */
    short: { type: "boolean", default: false },
  },
});
const LABELS = flags.short ? 300 : 2000;
/** Pictures that the returns are measured on, at most. */
const JUDGED = flags.short ? 300 : Number.POSITIVE_INFINITY;
const AT_ONCE = 8;
const PATIENCE_MS = 240_000;

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const mean = (values: Float64Array): number => values.reduce((sum, one) => sum + one, 0) / values.length;

async function post(url: string, path: string, body: object): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(new URL(path, url), { method: "POST", headers, body: JSON.stringify(body) });
}

/** As PNG files in base64: no loss. */
async function pngs(samples: ReturnType<typeof shifted>, [channels, height, width]: readonly number[], count: number) {
  const area = height! * width!;
  const files: string[] = [];
  for (let i = 0; i < count; i++) {
    const planes = samples.pixels.read(i, i + 1);
    const raw = Uint8Array.from(planes, (_, j) => planes[(j % channels!) * area + Math.floor(j / channels!)]!);
    const image = sharp(raw, { raw: { width: width!, height: height!, channels: channels as 1 | 3 } });
    files.push((await image.png().toBuffer()).toString("base64"));
  }
  return files;
}

/** What every exit says to a darkened split. */
async function judged(program: ExitLogits, samples: Samples): Promise<ExitTable> {
  const count = Math.min(JUDGED, samples.count);
  return program.of(createSamples(samples.pixels.read(0, count), samples.labels.slice(0, count), ""));
}

/** Answers and labels, then others who ask until the version changes or learning is over. @returns what was lost, and whether it changed */
async function live(url: string, files: readonly string[], names: readonly string[]) {
  for (let from = 0; from < files.length; from += AT_ONCE) {
    const response = await post(url, "/v1/classify", { pictures: files.slice(from, from + AT_ONCE) });
    const { answers } = (await response.json()) as { answers: { id: string }[] };
    const labels = answers.map(({ id }, i) => ({ id, label: names[from + i] }));
    await post(url, "/v1/feedback", { labels });
  }
  say(`${files.length} labels given`);
  let [asked, lost] = [0, 0];
  const until = performance.now() + PATIENCE_MS;
  for (let versions = 1; versions === 1 && performance.now() < until; asked++) {
    const { ok } = await post(url, "/v1/classify", { pictures: [files[asked % files.length]] }).catch(() => ({
      ok: false,
    }));
    if (!ok) lost++;
    if (asked % 50 === 0) {
      const list = await (await fetch(new URL("/v1/models/model/versions", url))).json();
      versions = (list as { versions: unknown[] }).versions.length;
    }
    await wait(10);
  }
  for (let i = 0; i < 100; i++, asked++) {
    const { ok } = await post(url, "/v1/classify", { pictures: [files[i]] }).catch(() => ({ ok: false }));
    if (!ok) lost++;
  }
  return { asked, lost };
}

const model = await openModel(flags.model);
const { network } = model;
const policy = model.policy!;
const data = await openDataset(flags.data ?? network.provenance.dataset.name, { seed: network.provenance.seed });
const folder = await mkdtemp(join(tmpdir(), "earlyexit-bench-feedback-"));
const place = join(folder, "store");
try {
  const darker = (split: typeof data.test) => shifted(split, data.imageShape, SHIFTS.darker!);
  const feedback = darker(data.validation!);
  const count = Math.min(LABELS, feedback.count);
  const files = await pngs(feedback, data.imageShape, count);
  const names = Array.from({ length: count }, (_, i) => network.classes[feedback.labels[i]!]!);
  const options = ["--store", place, "--learn-after", String(count), "--slo-ms", "1000", "--workers", "1"];
  const service = await startService(`model=${flags.model}`, options);
  const { asked, lost } = await live(service.url, files, names).finally(() => service.end());
  const store = await openStore(place);
  const source = await storeSource(store, "model", flags.model);
  const after = (await loadModel((await source.current()).folder)).policy!;
  const [entry] = await store.versions("model", network.sha256);
  const runtime = createNodeRuntime();
  const program = await openExitLogits(runtime, network);
  const [fit, test] = [await judged(program, feedback), await judged(program, darker(data.test))];
  await program.close();
  const lambdas = lambdaGrid(policy.agent.lambdaRange, 9);
  const returns = (one: LearnedPolicy) => imageReturns(runtime, decidingAgent(one), test, policy.costs, lambdas);
  const [before, now] = [mean(await returns(policy)), mean(await returns(after))];
  const optimal = mean(await optimalReturns(runtime, policy, fit, test, lambdas));
  const figures = {
    labels: count,
    promoted: entry?.promotedAt !== null && entry?.judgement !== null,
    judgement: entry?.judgement ?? null,
    asked,
    lost,
    return: { before, after: now, optimal },
    regained: (now - before) / (optimal - before),
  };
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
  await source.close();
  await store.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
