/** What the worker answers: it holds one model, or trains one. */
import {
  AdaptiveClassifier,
  type ClassifierOptions,
  computeExitTable,
  createSamples,
  createWebRuntime,
  encodeTableFile,
  type ImageShape,
  occlusion,
  openWholeWay,
  pictureOf,
  readImage,
  readModel,
  type StagedNetwork,
  type SureAnswers,
  UserError,
  type WholeWay,
} from "earlyexit/web";
import type { ModelFacts, ModelSource, News, Numbered, Replies, Reply, Request } from "./protocol.ts";
import { teachHere } from "./teach/teaching.ts";
import { THREADS } from "./threads.ts";
import { timeBeside } from "./timing.ts";
import { trainHere } from "./train/training.ts";

/** A photo of this many pixels needs 400 MB while it is decoded. */
const MOST_PIXELS = 100e6;

/** The model, and the way that its pictures did not go. */
let model: { readonly source: ModelSource; readonly classifier: AdaptiveClassifier; readonly whole: WholeWay } | null =
  null;
/** By `precise`: the model with its validation part, which is fetched for this alone and computes no picture. */
const judges = new Map<number, Promise<AdaptiveClassifier>>();
/** One request at a time, in their order: what is timed is not disturbed by what is asked meanwhile. */
let last: Promise<void> = Promise.resolve();

export function take(request: Numbered): void {
  last = last.then(() => settle(request));
}

async function settle({ id, ...request }: Numbered): Promise<void> {
  const reply = (message: Reply): void => self.postMessage(message);
  try {
    reply({ id, result: await answer(request, (news) => reply({ id, news })) });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply({ id, error: message, mistake: error instanceof UserError });
  }
}

async function answer(request: Request, tell: (news: News) => void): Promise<Replies[Request["kind"]]> {
  if (request.kind === "read") return read(request.image, request.shape);
  if (request.kind === "teach") return teachHere(request.choice, tell);
  if (request.kind === "train") return trainHere(request.choice, tell);
  if (request.kind === "load") return load(request.source);
  if (!model) throw new Error("page: a loaded model expected, found none");
  const { classifier, whole } = model;
  if (request.kind === "feedback") return feedbackFile(classifier.network, request.images, request.labels);
  if (request.kind === "occlude")
    return occlusion(whole, request.image, pictureOf(classifier.network).shape, request.lambda);
  if (request.kind === "sure") return sureAt(model.source, request.precise, request.lambda);
  const { images, lambda } = request;
  if (request.kind === "explore") {
    const all = [];
    for (const pixels of images) all.push(await whole.traces(pixels, lambda));
    return all;
  }
  classifier.lambda = lambda;
  if (request.kind === "time") return timeBeside(classifier, whole, images);
  return classifier.classifyBatch(images.map((pixels) => ({ pixels })));
}

async function feedbackFile(
  network: StagedNetwork,
  images: readonly Uint8Array[],
  labels: readonly number[],
): Promise<Uint8Array> {
  const size = images[0]!.length;
  const pixels = new Uint8Array(images.length * size);
  for (const [i, one] of images.entries()) pixels.set(one, i * size);
  const samples = createSamples(pixels, Uint16Array.from(labels));
  return encodeTableFile(await computeExitTable(await createWebRuntime({ threads: THREADS }), network, samples));
}

async function open(source: ModelSource, options: ClassifierOptions): Promise<AdaptiveClassifier> {
  if ("address" in source) return AdaptiveClassifier.load(source.address, options);
  const found = await readModel(async (name) => source.files.get(name) ?? null, "trained here");
  return AdaptiveClassifier.create(found, options);
}

async function sureAt(source: ModelSource, precise: number, lambda: number): Promise<SureAnswers> {
  const known = judges.get(precise) ?? open(source, { threads: THREADS, lazy: true, precise });
  judges.set(precise, known);
  const judge = await known;
  judge.lambda = lambda;
  return (await judge.sureAnswers())!; // asked for precise answers
}

async function load(source: ModelSource): Promise<ModelFacts> {
  const asked = performance.now();
  const options = { threads: THREADS };
  const next = await open(source, options);
  const startMs = performance.now() - asked;
  await Promise.all([model?.classifier.close(), model?.whole.close()]);
  judges.clear();
  const whole = openWholeWay(await createWebRuntime(options), next.network, next.policy);
  model = { source, classifier: next, whole };
  const { network, policy, costs } = next;
  return {
    name: network.name,
    dataset: network.provenance.dataset.name,
    classes: network.classes,
    imageShape: pictureOf(network).shape,
    costs,
    decider: policy.decider ?? "dqn",
    lambda: policy.lambda,
    calibration: policy.calibration,
    costUnit: policy.costUnit ?? "MACs",
    fullCost: policy.costs.fullMacs,
    startMs,
  };
}

async function read(image: Blob, shape: ImageShape): Promise<Uint8Array> {
  const bitmap = await createImageBitmap(image).catch((cause: Error) => {
    throw new UserError("this is no picture that the browser can read; try a JPEG, PNG or WebP file.", { cause });
  });
  try {
    const { width, height } = bitmap;
    if (width * height > MOST_PIXELS)
      throw new UserError(
        `this picture has ${width} x ${height} pixels; at most ${MOST_PIXELS / 1e6} million can be read here.`,
      );
    return await readImage(bitmap, shape);
  } finally {
    bitmap.close();
  }
}
