import { normalisationTable } from "../dataset/augmentation.ts";
import type { ImageShape } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { Model } from "../model/model.ts";
import { type Picture, pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import { exitCosts } from "../policy/exit-costs.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { type SureAnswers, sureAnswers } from "../policy/unsure.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  answerWidth,
  type Classification,
  type ExitTrace,
  firstFeeds,
  handedOn,
  readPath,
  readTrace,
  type StageFeeds,
  stoppedBy,
} from "./classification.ts";
import { type BatchOptions, type ClassifyOptions, lambdaOf, type StartOptions } from "./classifier-options.ts";
import { isRawImage, type RawImage, rawNumbers, tensorBound, writeImages } from "./images.ts";
import { nestedGraph } from "./nested-exits.ts";
import { reasonOf } from "./reason.ts";
import { StageSessions, WARM_UP_RUNS } from "./stage-sessions.ts";

export type { Classification, ExitTrace, StoppedBy } from "./classification.ts";
export type { BatchOptions, ClassifyOptions, Dial, StartOptions } from "./classifier-options.ts";

/** @returns [C, H, W] bytes 0..255 */
export type ToPixels<Image> = (image: Image, shape: ImageShape) => Promise<Uint8Array>;

/** Larger batches are worked on in parts of so many images, which bounds the memory of a call; the input of one is kept for the next. */
const PART_IMAGES = 256;

type Answer = Omit<Classification, "latencyMs" | "readMs" | "unsure">;

/** What `label` is where no class is named. */
const UNSURE = "unsure";

/**
 * A trained model that really stops: a stage after the exit taken is never computed.
 *
 * One image takes one session that holds all stages and exits by itself (`nestedGraph`). A batch, an image with a deadline and every
 * image of a lazy classifier take one session per stage: the images that go on make up a smaller batch (compaction), and before every
 * stage there is a look at the clock. These sessions hold the weights a second time, so each is made when first needed. Calls wait for
 * each other.
 */
export class AdaptiveClassifier<Image> {
  readonly network: StagedNetwork;
  readonly policy: LearnedPolicy;
  /** In multiply-accumulates, whatever unit the policy was priced in. */
  readonly costs: ExitCosts;
  /** [E] images computed at each stage since the start. */
  readonly imagesComputed: number[];
  /** null in a lazy classifier */
  readonly #single: Program | null;
  readonly #stages: StageSessions;
  readonly #picture: Picture;
  readonly #table: Float32Array;
  readonly #toPixels: ToPixels<Image>;
  readonly #runtime: Runtime;
  readonly #precise: number | null;
  /** By lambda. */
  readonly #sure = new Map<number, Promise<SureAnswers>>();
  #lambda: number;
  #input = new Float32Array();
  #lastCall: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | null = null;

  private constructor(
    runtime: Runtime,
    { network }: Model,
    policy: LearnedPolicy,
    single: Program | null,
    lambda: number,
    toPixels: ToPixels<Image>,
    precise: number | null,
  ) {
    this.#runtime = runtime;
    this.#precise = precise;
    this.network = network;
    this.policy = policy;
    this.imagesComputed = network.stages.map(() => 0);
    this.#single = single;
    this.#stages = new StageSessions(runtime, network, policy);
    this.#picture = pictureOf(network);
    this.#table = normalisationTable(this.#picture.normalisation);
    this.#toPixels = toPixels;
    this.costs = exitCosts(network, policy.agent);
    this.#lambda = lambda;
  }

  /**
   * @param toPixels turns what the host calls an image into [C, H, W] bytes 0..255
   * @throws {UserError} if the model has no policy, or the dial is outside what it was trained for
   */
  static async create<Image>(
    runtime: Runtime,
    model: Model,
    toPixels: ToPixels<Image>,
    { lazy = false, precise, ...dial }: StartOptions = {},
  ): Promise<AdaptiveClassifier<Image>> {
    const { network, policy } = model;
    if (!policy)
      throw new UserError(
        "classifier: a model with a policy expected, found a network alone; run 'earlyexit learn' first",
      );
    if (precise !== undefined && !(precise > 0 && precise < 1))
      throw new UserError(`precise: a share above 0 and below 1 expected, found ${precise}; 0.99 is 99%`);
    const lambda = lambdaOf(policy, dial);
    if (lazy) return new AdaptiveClassifier(runtime, model, policy, null, lambda, toPixels, precise ?? null);
    const single = await Program.compile(runtime, nestedGraph(network, policy));
    const black = new Float32Array(sizeOf(pictureOf(network).shape));
    for (let run = 0; run < WARM_UP_RUNS; run++) await single.run(firstFeeds(black, 1, lambda));
    return new AdaptiveClassifier(runtime, model, policy, single, lambda, toPixels, precise ?? null);
  }

  get lambda(): number {
    return this.#lambda;
  }

  /** The dial: may be turned at any time, and holds for the calls that follow. */
  set lambda(lambda: number) {
    this.#lambda = lambdaOf(this.policy, { lambda });
  }

  /** Turns the dial to the smallest lambda whose mean cost, on validation, is within the budget. */
  keepWithin(budgetMacs: number): void {
    this.#lambda = lambdaOf(this.policy, { budgetMacs });
  }

  /**
   * From which confidence on a class is named at the lambda that is set, and what that gives on validation; null without `precise`.
   *
   * @throws {UserError} if that precision cannot be had
   */
  async sureAnswers(): Promise<SureAnswers | null> {
    return this.#precise === null ? null : this.#sureAt(this.#lambda, this.#precise);
  }

  #sureAt(lambda: number, precise: number): Promise<SureAnswers> {
    const known = this.#sure.get(lambda) ?? sureAnswers(this.#runtime, this.policy, lambda, precise);
    this.#sure.set(lambda, known);
    return known;
  }

  /**
   * Makes the sessions of all stages and measures them now, where the first call with a deadline would: call it before that one,
   * which else answers late, at the first exit.
   */
  async prepareStages(): Promise<void> {
    this.#checkOpen();
    await this.#alone(() => this.#stages.measure(this.#lambda));
  }

  /**
   * @throws {UserError} if the image cannot be read
   * @throws {RangeError} if an image of numbers has too few or too many of them
   */
  async classify(image: Image | RawImage, options: ClassifyOptions = {}): Promise<Classification> {
    const { deadlineMs = Number.POSITIVE_INFINITY } = options;
    if (typeof deadlineMs !== "number" || !(deadlineMs >= 0))
      throw new RangeError(`classifier: deadlineMs of at least 0 expected, found ${JSON.stringify(deadlineMs)}`);
    const deadline = performance.now() + deadlineMs;
    const [result] = await this.#answer(this.#read([image]), 1, options.signal, deadline);
    return result!;
  }

  /** @returns one result per image, in the order of the images */
  async classifyBatch(images: readonly (Image | RawImage)[], { signal }: BatchOptions = {}): Promise<Classification[]> {
    return this.#answer(this.#read(images), images.length, signal);
  }

  /**
   * @param pixels [B, C, H, W] bytes 0..255
   * @throws {RangeError} if the pixels are not a whole number of images
   */
  async classifyPixels(pixels: Uint8Array, { signal }: BatchOptions = {}): Promise<Classification[]> {
    const shape = this.#picture.shape;
    const size = sizeOf(shape);
    if (!(pixels instanceof Uint8Array) || pixels.length % size !== 0)
      throw new RangeError(
        `classifier: images of ${shape.join("x")} bytes in a Uint8Array expected, found ${(pixels as Uint8Array | null)?.length} in a ${(pixels as Uint8Array | null)?.constructor.name}`,
      );
    const images = Array.from({ length: pixels.length / size }, (_, i) => pixels.subarray(i * size, (i + 1) * size));
    return this.#answer(Promise.resolve(images), images.length, signal);
  }

  /** Frees the sessions, once the calls under way are answered. Closing twice is closing once. */
  close(): Promise<void> {
    this.#closed ??= this.#alone(async () => {
      this.#input = new Float32Array();
      await Promise.all([this.#single?.close(), this.#stages.close()]);
    });
    return this.#closed;
  }

  /** What the network reads of each image: bytes to be normalised, or floats. */
  #read(images: readonly (Image | RawImage)[]): Promise<(Uint8Array | Float32Array)[]> {
    const { shape, normalisation } = this.#picture;
    const bound = tensorBound(normalisation);
    const read = async (image: Image | RawImage): Promise<Uint8Array | Float32Array> => {
      if (isRawImage(image)) return rawNumbers(image, shape, bound);
      const pixels = await this.#toPixels(image, shape);
      if (pixels.length === sizeOf(shape)) return pixels;
      throw new RangeError(`classifier: ${sizeOf(shape)} bytes per image expected, found ${pixels.length}`);
    };
    return Promise.all(images.map((image, i) => read(image).catch((error) => named(error, i, images.length))));
  }

  #checkOpen(): void {
    if (this.#closed) throw new TypeError("classifier: an open one expected, found a closed one; load it again");
  }

  /** A session runs one call at a time, and the input is shared. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lastCall.then(work);
    this.#lastCall = result.catch(() => undefined);
    return result;
  }

  async #answer(
    reading: Promise<readonly (Uint8Array | Float32Array)[]>,
    count: number,
    signal: AbortSignal | undefined,
    deadline = Number.POSITIVE_INFINITY,
  ): Promise<Classification[]> {
    const asked = performance.now();
    let readMs = 0;
    const timing = (): void => {
      readMs = performance.now() - asked;
    };
    reading.then(timing, () => undefined); // if it fails while another call is under way, this one tells its caller later
    this.#checkOpen();
    if (signal !== undefined && typeof signal?.throwIfAborted !== "function")
      throw new TypeError(`classifier: an AbortSignal as signal expected, found ${JSON.stringify(signal)}`);
    signal?.throwIfAborted();
    if (count === 0) return [];
    const lambda = this.#lambda; // one for the whole call, even if the dial is turned while it waits or runs
    return this.#alone(async () => {
      const images = await unlessAborted(reading, signal);
      const least = this.#precise === null ? 0 : (await this.#sureAt(lambda, this.#precise)).least;
      const isBound = deadline !== Number.POSITIVE_INFINITY;
      if (isBound) await this.#stages.measure(lambda);
      const started = performance.now();
      const madeBefore = this.#stages.makingMs;
      const answers: Answer[] = [];
      for (let from = 0; from < count; from += PART_IMAGES) {
        const part = images.slice(from, from + PART_IMAGES);
        const x = this.#inputOf(part);
        signal?.throwIfAborted();
        if (this.#single && count === 1 && !isBound) answers.push(await this.#runSingle(this.#single, x, lambda));
        else answers.push(...(await this.#runStages(x, part.length, lambda, signal, deadline)));
      }
      const latencyMs = performance.now() - started - (this.#stages.makingMs - madeBefore);
      return answers.map((answer): Classification => {
        const unsure = answer.confidence < least;
        return Object.assign(answer, { label: unsure ? UNSURE : answer.label, unsure, latencyMs, readMs });
      });
    });
  }

  #inputOf(images: readonly (Uint8Array | Float32Array)[]): Float32Array {
    const { shape } = this.#picture;
    const length = images.length * sizeOf(shape);
    if (this.#input.length < length) this.#input = new Float32Array(length);
    const x = this.#input.subarray(0, length);
    writeImages(x, images, this.#table, shape[1] * shape[2]);
    return x;
  }

  async #runSingle(single: Program, x: Float32Array, lambda: number): Promise<Answer> {
    const { answers } = await single.run(firstFeeds(x, 1, lambda));
    const path = readPath(answers!, this.imagesComputed.length, this.#stages.told);
    path.forEach((_, stage) => {
      this.imagesComputed[stage]! += 1;
    });
    return this.#answerAt(path.at(-1)!, path);
  }

  async #runStages(
    x: Float32Array,
    count: number,
    lambda: number,
    signal: AbortSignal | undefined,
    deadline: number,
  ): Promise<Answer[]> {
    const answers = new Array<Answer>(count);
    const traces: ExitTrace[][] = Array.from({ length: count }, () => []);
    let images = Array.from({ length: count }, (_, i) => i);
    let feeds: StageFeeds = firstFeeds(x, count, lambda);
    for (let exit = 0; images.length > 0; exit++) {
      const rows = images.length;
      await this.#stages.prepare(exit);
      signal?.throwIfAborted();
      const results = await this.#stages.run(exit, feeds, rows);
      this.imagesComputed[exit]! += rows;
      const isLate = this.#stages.isLate(exit + 1, deadline);
      const stage = this.#stages.answering(exit);
      const width = answerWidth(stage);
      const goOn: number[] = [];
      for (let row = 0; row < rows; row++) {
        const trace = readTrace(results.answer, row * width, stage, isLate);
        const path = traces[images[row]!]!;
        path.push(trace);
        if (trace.exited) answers[images[row]!] = this.#answerAt(trace, path);
        else goOn.push(row);
      }
      images = goOn.map((row) => images[row]!);
      if (goOn.length > 0) feeds = handedOn(feeds, results, stage, rows, goOn);
    }
    return answers;
  }

  #answerAt(last: ExitTrace, trace: readonly ExitTrace[]): Answer {
    const { exit, classIndex, probabilities, confidence } = last;
    const why = stoppedBy(last);
    return {
      label: this.network.classes[classIndex]!,
      classIndex,
      probabilities,
      confidence,
      exit,
      stoppedBy: why,
      reason: reasonOf(last, why, this.costs.exitMacs, this.policy.decider),
      costMacs: this.costs.exitMacs[exit - 1]!,
      trace,
    };
  }
}

/** An error says which of several images it is about. */
function named(error: unknown, i: number, count: number): never {
  if (count > 1 && error instanceof Error) error.message = `image ${i + 1} of ${count}: ${error.message}`;
  throw error;
}

/** What the promise gives, unless the signal is aborted before: it may wait for a network that never answers. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
