/**
 * A worker: a process of one thread with sessions of its own. Takes batches, gives answers in the same order. The pictures of a batch
 * are decoded while the one before is computed. A picture that ends this process ends nobody else's.
 */
import { AdaptiveClassifier, pictureOf, readImage, UserError } from "earlyexit";
import type { Job, Outcome, Picture, WorkerMessage, WorkerOptions } from "./messages.ts";

const send = (message: WorkerMessage): void => void process.send?.(message);

async function run({ model }: WorkerOptions): Promise<void> {
  const classifier = await AdaptiveClassifier.load(model, { threads: 1 });
  const { shape } = pictureOf(classifier.network);
  await classifier.classifyPixels(new Uint8Array(2 * shape[0] * shape[1] * shape[2])); // makes the sessions of batches
  let last: Promise<unknown> = Promise.resolve();

  async function answer({ id, lambda, deadlineMs, pictures }: Job): Promise<void> {
    const arrived = performance.now();
    const reading = Promise.all(pictures.map((one) => read(one, shape)));
    const turn = last.then(async () => {
      const images = await reading;
      const begun = performance.now();
      const good = images.flatMap((one) => ("mistake" in one ? [] : one));
      classifier.lambda = lambda;
      const left = deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - (begun - arrived));
      const answers =
        left !== undefined && good.length === 1
          ? [await classifier.classify(good[0]!, { deadlineMs: left })]
          : await classifier.classifyBatch(good);
      let next = 0;
      const outcomes: Outcome[] = images.map((one) => ("mistake" in one ? one : { answer: answers[next++]! }));
      send({ kind: "done", id, outcomes, computeMs: performance.now() - begun });
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

type Read = { pixels: Uint8Array } | { tensor: Float32Array } | { mistake: string };

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
