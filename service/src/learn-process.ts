/**
 * A process that learns on: the labels since the last time, what every exit said to their pictures, and the policy that answers now.
 * Half of the labels judges, the others are learned from or select (`continueLearning`); a label that an earlier version has
 * seen is in none of them. What comes out is kept in the store either way; whether it is promoted is not decided here.
 */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { getPriority, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { continueLearning, createNodeRuntime, type ExitTable, type Judgement, loadModel, saveModel } from "earlyexit";
import { openStore } from "./store/open-store.ts";
import type { Lesson, Store } from "./store/store.ts";
import { policyFiles, versionOf } from "./version-source.ts";

/** What it is started with. */
export interface LearnJob {
  readonly store: string;
  /** Its name. */
  readonly model: string;
  /** Of the version that answers now. */
  readonly folder: string;
  readonly parent: string;
  /** Labels up to this one have been learned from. */
  readonly after: number;
  readonly seed: number;
  /** Gradient steps; null: the default. */
  readonly steps: number | null;
}

export type LearnMessage =
  | { readonly kind: "learned"; readonly version: string; readonly judgement: Judgement }
  | { readonly kind: "mistake"; readonly message: string };

/** Behind everything that answers, but not so far that it never ends while they are busy. */
const NICER = 6;
const MOST_NICE = 19;
const DIGITS = 12;

async function learn(job: LearnJob, store: Store): Promise<LearnMessage> {
  const { network, policy } = await loadModel(job.folder);
  const lessons = await store.lessons(job.model, network.sha256, job.after, null);
  const feedback = tableOf(lessons, network.stages.length, network.classes.length);
  const runtime = createNodeRuntime({ threads: 1 });
  const options = { seed: job.seed, ...(job.steps === null ? {} : { steps: job.steps }) };
  const learned = await continueLearning({ policy: policy!, feedback, runtime, options });
  const { judgement } = learned;
  const { id, files } = judgement.better
    ? await asFiles({ network, policy: learned.policy })
    : { id: digest(JSON.stringify([job.parent, judgement])), files: new Map() };
  const about = { id, model: job.model, network: network.sha256, parent: job.parent, promotedAt: null };
  await store.addVersion({ ...about, at: Date.now(), judgement, labelsUpTo: lessons.at(-1)?.seq ?? job.after, files });
  return { kind: "learned", version: id, judgement };
}

function tableOf(lessons: readonly Lesson[], exits: number, classes: number): ExitTable {
  const row = exits * classes;
  const logits = new Float32Array(lessons.length * row);
  for (const [i, lesson] of lessons.entries()) logits.set(lesson.logits, i * row);
  const labels = Uint16Array.from(lessons, ({ classIndex }) => classIndex);
  return { logits, labels, count: lessons.length, exits, classes };
}

async function asFiles(model: Parameters<typeof saveModel>[1]) {
  const folder = await mkdtemp(join(tmpdir(), "earlyexit-learned-"));
  try {
    await saveModel(folder, model);
    return { id: await versionOf(folder), files: await policyFiles(folder) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, DIGITS);

async function run(job: LearnJob): Promise<LearnMessage> {
  setPriority(Math.min(MOST_NICE, getPriority() + NICER));
  const store = await openStore(job.store);
  try {
    return await learn(job, store);
  } finally {
    await store.close();
  }
}

process.on("disconnect", () => process.exit(0)); // the service is gone
run(JSON.parse(process.argv[2]!) as LearnJob)
  .catch((error: unknown): LearnMessage => {
    return { kind: "mistake", message: error instanceof Error ? error.message : String(error) };
  })
  .then((message) => process.send?.(message, () => process.disconnect()));
