/**
 * A worker: a process of one thread with sessions of its own. Takes batches, gives answers in the same order. The pictures of a batch
 * are decoded while the one before is computed. A picture that ends this process ends nobody else's.
 */
import { getPriority, setPriority } from "node:os";
import {
  AdaptiveClassifier,
  type Classification,
  createNodeRuntime,
  createSamples,
  loadModel,
  openExitLogits,
  pictureOf,
  readImage,
  UserError,
} from "earlyexit";
import type { Job, Outcome, Picture, WorkerMessage, WorkerOptions } from "./messages.ts";

const send = (message: WorkerMessage): void => void process.send?.(message);

/** Behind the process that takes, prices and refuses requests: it is never to wait for those that compute. */
const NICER = { answer: 3, logits: 5 };
const MOST_NICE = 19;
/** Pictures computed at a time by a worker for logits: few, so that it gives way soon. */
const LOGITS_BATCH = 4;

/** Of pictures that could be read, in their order. */
type Compute = (images: readonly Image[], job: Job, arrived: number) => Promise<Outcome[]>;

async function run({ model, task }: WorkerOptions): Promise<void> {
  const { shape, compute } = task === "answer" ? await answering(model) : await tabulating(model);
  setPriority(Math.min(MOST_NICE, getPriority() + NICER[task])); // once it is loaded, which others may wait for
  let last: Promise<unknown> = Promise.resolve();

  async function answer(job: Job): Promise<void> {
    const arrived = performance.now();
    const reading = Promise.all(job.pictures.map((one) => read(one, shape)));
    const turn = last.then(async () => {
      const images = await reading;
      const begun = performance.now();
      const good = images.flatMap((one) => ("mistake" in one ? [] : one));
      const answers = await compute(good, job, arrived);
      let next = 0;
      const outcomes: Outcome[] = images.map((one) => ("mistake" in one ? one : answers[next++]!));
      send({ kind: "done", id: job.id, outcomes, computeMs: performance.now() - begun });
    });
    last = turn.catch(() => undefined);
    await turn;
  }

  process.on("message", (job: Job) => {
    answer(job).catch((error: unknown) => {
      process.stderr.write(`worker: ${error instanceof Error ? error.stack : error}\n`);
      process.exit(1); // another one takes its place, and its batches
    });
  });
  send({ kind: "ready" });
}

interface Task {
  readonly shape: readonly [number, number, number];
  readonly compute: Compute;
}

async function answering(model: string): Promise<Task> {
  const classifier = await AdaptiveClassifier.load(model, { threads: 1 });
  const { shape } = pictureOf(classifier.network);
  await classifier.classifyPixels(new Uint8Array(2 * shape[0] * shape[1] * shape[2])); // makes the sessions of batches
  return {
    shape,
    async compute(images, { lambda, deadlineMs, explain }, arrived) {
      classifier.lambda = lambda;
      const told = (answer: Classification) => ({ answer: explain ? answer : { ...answer, trace: [] } });
      if (deadlineMs === undefined || images.length !== 1) return (await classifier.classifyBatch(images)).map(told);
      const left = Math.max(0, deadlineMs - (performance.now() - arrived));
      return [told(await classifier.classify(images[0]!, { deadlineMs: left }))];
    },
  };
}

async function tabulating(folder: string): Promise<Task> {
  const { network } = await loadModel(folder);
  const { shape } = pictureOf(network);
  const size = shape[0] * shape[1] * shape[2];
  const program = await openExitLogits(createNodeRuntime({ threads: 1 }), network, LOGITS_BATCH);
  return {
    shape,
    async compute(images) {
      const pixels = new Uint8Array(images.length * size);
      images.forEach((one, i) => {
        if (!("pixels" in one)) throw new TypeError("worker: pixels expected for logits, found a tensor");
        pixels.set(one.pixels, i * size);
      });
      if (images.length === 0) return [];
      const { logits } = await program.of(createSamples(pixels, new Uint16Array(images.length), ""));
      const row = logits.length / images.length;
      return images.map((_, i) => ({ logits: logits.slice(i * row, (i + 1) * row) }));
    },
  };
}

type Image = { pixels: Uint8Array } | { tensor: Float32Array };
type Read = Image | { mistake: string };

async function read(picture: Picture, shape: readonly [number, number, number]): Promise<Read> {
  try {
    return "file" in picture ? { pixels: await readImage(picture.file, shape) } : picture;
  } catch (error) {
    if (error instanceof UserError) return { mistake: error.message };
    throw error;
  }
}

process.on("disconnect", () => process.exit(0)); // the service is gone
run(JSON.parse(process.argv[2]!) as WorkerOptions).catch((error: unknown) => {
  send({ kind: "mistake", message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 2;
  process.disconnect?.();
});
