import { normalisationTable } from "../dataset/augmentation.ts";
import { normalise } from "../dataset/batches.ts";
import type { ImageShape } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { LearnedPolicy, Model } from "../model/model.ts";
import { checkLambda } from "../policy/agent.ts";
import { FEATURE } from "../policy/observation.ts";
import { Program, type Values } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TrainedNetwork } from "../training/train.ts";
import { stageGraphs } from "./stage-programs.ts";

/** What happened at one exit on the way. */
export interface ExitTrace {
  /** 0..E-1 */
  readonly exit: number;
  /** The head's answer so far: index of the class. */
  readonly classIndex: number;
  /** Top-1 probability, temperature-scaled. */
  readonly confidence: number;
  /** Top-1 minus top-2 probability. */
  readonly margin: number;
  /** In nats. */
  readonly entropy: number;
  /** What the agent expects from each action: chance of being right minus the price still to pay. */
  readonly qExit: number;
  /** null at the last exit, where there is nothing to go on to */
  readonly qContinue: number | null;
  readonly exited: boolean;
}

export interface Classification {
  /** One of the model's classes, whatever the image shows. */
  readonly label: string;
  readonly classIndex: number;
  /** [K] at the exit taken, temperature-scaled */
  readonly probabilities: Float32Array;
  readonly confidence: number;
  /** The exit taken, 0..E-1. */
  readonly exit: number;
  /** MACs spent, heads passed and decisions included. */
  readonly costMacs: number;
  /** From the pixels to the answer; of the whole batch where there was one. */
  readonly latencyMs: number;
  readonly trace: readonly ExitTrace[];
}

/** @returns [C, H, W] bytes 0..255 */
export type ToPixels<Image> = (image: Image, shape: ImageShape) => Promise<Uint8Array>;

/**
 * A trained model that really stops: stages run one after the other, and a stage after the exit taken is never computed.
 * In a batch, the images that go on are gathered into a smaller batch (compaction).
 */
export class AdaptiveClassifier<Image> {
  readonly network: TrainedNetwork;
  readonly policy: LearnedPolicy;
  readonly #stages: readonly Program[];
  readonly #table: Float32Array;
  readonly #toPixels: ToPixels<Image>;
  #lambda: number;
  /** [E] images computed at each stage since the start. */
  readonly imagesComputed: number[];

  private constructor(
    network: TrainedNetwork,
    policy: LearnedPolicy,
    stages: readonly Program[],
    lambda: number,
    toPixels: ToPixels<Image>,
  ) {
    this.#toPixels = toPixels;
    this.network = network;
    this.policy = policy;
    this.#stages = stages;
    this.#table = normalisationTable(network.normalisation);
    this.#lambda = lambda;
    this.imagesComputed = stages.map(() => 0);
  }

  /**
   * @param toPixels turns what the host calls an image into [C, H, W] bytes 0..255
   * @param lambda price of the full network in units of one correct answer; default: the model's recommended one
   * @throws {UserError} if the model has no policy, or lambda is outside what it was trained for
   */
  static async create<Image>(
    runtime: Runtime,
    { network, policy }: Model,
    toPixels: ToPixels<Image>,
    lambda?: number,
  ): Promise<AdaptiveClassifier<Image>> {
    if (!policy)
      throw new UserError(
        "classifier: a model with a policy expected, found a network alone; run 'earlyexit learn' first",
      );
    if (lambda !== undefined) checkLambda(policy.agent, lambda);
    const stages: Program[] = [];
    for (const graph of stageGraphs(network, policy)) stages.push(await Program.compile(runtime, graph));
    return new AdaptiveClassifier(network, policy, stages, lambda ?? policy.lambda, toPixels);
  }

  get lambda(): number {
    return this.#lambda;
  }

  /** The dial: may be turned at any time. */
  set lambda(value: number) {
    checkLambda(this.policy.agent, value);
    this.#lambda = value;
  }

  async classify(image: Image): Promise<Classification> {
    const [result] = await this.classifyBatch([image]);
    return result!;
  }

  /** @returns one result per image, in the order of the images */
  async classifyBatch(images: readonly Image[]): Promise<Classification[]> {
    const shape = this.network.blueprint.input;
    const pixels = await Promise.all(images.map((image) => this.#toPixels(image, shape)));
    return this.classifyPixels(concatenate(pixels, sizeOf(shape)));
  }

  /**
   * @param pixels [B, C, H, W] bytes 0..255
   * @throws {RangeError} if the pixels are not a whole number of images
   */
  async classifyPixels(pixels: Uint8Array): Promise<Classification[]> {
    const shape = this.network.blueprint.input;
    if (pixels.length % sizeOf(shape) !== 0)
      throw new RangeError(`classifier: images of ${shape.join("x")} bytes expected, found ${pixels.length} bytes`);
    if (pixels.length === 0) return [];
    const started = performance.now();
    const lambda = this.#lambda; // one for the whole batch, even if the dial is turned while it runs
    const count = pixels.length / sizeOf(shape);
    const traces: ExitTrace[][] = Array.from({ length: count }, () => []);
    const answers = new Map<number, Float32Array>();
    let images = Array.from({ length: count }, (_, i) => i);
    let feeds: Values = { x: normalise(pixels, this.#table, shape[1] * shape[2]) };
    for (const [exit, stage] of this.#stages.entries()) {
      const results = await stage.run({ ...feeds, lambda: new Float32Array(images.length).fill(lambda) });
      this.imagesComputed[exit]! += images.length;
      const goOn: number[] = [];
      for (const [row, image] of images.entries()) {
        const probabilities = this.#row(results.probabilities!, row, images.length);
        const trace = this.#trace(exit, results, row, images.length, probabilities);
        traces[image]!.push(trace);
        if (trace.exited) answers.set(image, probabilities);
        else goOn.push(row);
      }
      if (goOn.length === 0) break;
      feeds = Object.fromEntries(
        ["x", "history", "topClass"].map((name) => [name, gatherRows(results[`next:${name}`]!, images.length, goOn)]),
      );
      images = goOn.map((row) => images[row]!);
    }
    const latencyMs = performance.now() - started;
    return traces.map((trace, image) => {
      const { exit, classIndex, confidence } = trace.at(-1)!;
      return {
        label: this.network.classes[classIndex]!,
        classIndex,
        probabilities: answers.get(image)!,
        confidence,
        exit,
        costMacs: this.policy.costs.exitMacs[exit]!,
        latencyMs,
        trace,
      };
    });
  }

  #row(values: Float32Array, row: number, rows: number): Float32Array {
    const width = values.length / rows;
    return values.slice(row * width, (row + 1) * width);
  }

  #trace(exit: number, results: Values, row: number, rows: number, probabilities: Float32Array): ExitTrace {
    const features = this.#row(results.exitFeatures!, row, rows);
    const [qContinue, qExit] = this.#row(results.q!, row, rows) as unknown as [number, number];
    if (!Number.isFinite(qExit))
      throw new Error(`classifier: finite numbers expected, found ${qExit} at exit ${exit + 1}`);
    const isLast = exit === this.#stages.length - 1;
    return {
      exit,
      classIndex: probabilities.indexOf(Math.max(...probabilities)),
      confidence: features[FEATURE.confidence]!,
      margin: features[FEATURE.margin]!,
      entropy: features[FEATURE.entropy]!,
      qExit,
      qContinue: isLast ? null : qContinue,
      exited: results.exitNow![row] === 1,
    };
  }

  /** Frees the sessions. */
  async close(): Promise<void> {
    for (const stage of this.#stages) await stage.close();
  }
}

function concatenate(pixels: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(pixels.length * size);
  pixels.forEach((one, i) => {
    if (one.length !== size) throw new RangeError(`classifier: ${size} bytes per image expected, found ${one.length}`);
    all.set(one, i * size);
  });
  return all;
}

/** Some rows of [B, ...], one after the other. */
function gatherRows(values: Float32Array, rows: number, wanted: readonly number[]): Float32Array {
  const width = values.length / rows;
  const gathered = new Float32Array(wanted.length * width);
  wanted.forEach((row, i) => {
    gathered.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return gathered;
}
