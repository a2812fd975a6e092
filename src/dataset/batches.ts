import { permutation, seededRandom } from "../random.ts";
import {
  type Augmentation,
  checkAugmentation,
  type Normalisation,
  normalisationTable,
  writeAugmented,
} from "./augmentation.ts";
import type { ImageShape, Samples } from "./dataset.ts";

const ORDER = 0x6f726465; // keeps these random numbers apart from those of other purposes with the same seed

/** One training batch. Letters: B images, K classes. */
export interface Batch {
  /** [B, C, H, W] normalised and augmented; on an ArrayBuffer of its own */
  readonly images: Float32Array<ArrayBuffer>;
  /** [B, K] one-hot */
  readonly targets: Float32Array<ArrayBuffer>;
  /** [B] */
  readonly labels: Uint16Array<ArrayBuffer>;
}

/** What one step sees. */
export interface StepImages {
  /** [B] */
  readonly indices: Uint32Array;
  /** How often the images were gone over before: decides with the seed how each is varied. */
  readonly epoch: number;
  /** [B] how much each counts in the loss */
  readonly weights: Float32Array<ArrayBuffer>;
}

/** Which images come next, where that depends on how the training goes. */
export interface ImageOrder {
  /** Of a step that is not before those asked for; null while what decides is not known yet. */
  at(step: number): StepImages | null;
}

/** Endless training batches, one per step. */
export interface BatchSource {
  next(): Promise<Batch>;
  /** Hands a batch back, to be overwritten: nobody may read it afterwards. */
  recycle(batch: Batch): void;
  /** Frees what the source holds; `next` rejects from then on. */
  close(): Promise<void>;
}

export interface BatchOptions {
  readonly samples: Samples;
  readonly imageShape: ImageShape;
  /** K */
  readonly classCount: number;
  /** B, at most N. The N mod B images left at the end of an epoch's order are not seen in that epoch. */
  readonly batchSize: number;
  readonly normalisation: Normalisation;
  readonly augmentation: Augmentation;
  readonly seed: number;
  /** The global step of the first batch; default 0. */
  readonly firstStep?: number;
  /** Default: every epoch a new order of all images, see `epochOrder`. */
  readonly order?: ImageOrder | undefined;
}

/** Whole batches in one epoch: floor(N / B). */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.floor(count / batchSize);
}

/** The order in which an epoch goes over all N images: it depends on (seed, epoch) only. */
export function epochOrder(seed: number, epoch: number, count: number): Uint32Array {
  return permutation(seededRandom(seed, ORDER, epoch), count);
}

/** Batches computed in the calling thread, when they are asked for. Bit-identical to those of `workerBatches`. */
export function inlineBatches(options: BatchOptions): BatchSource {
  const write = batchWriter(options);
  const free: Batch[] = [];
  let step = options.firstStep ?? 0;
  let isClosed = false;
  return {
    async next() {
      if (isClosed) throw new Error("batches: expected an open source, found a closed one");
      const chosen = options.order?.at(step);
      if (chosen === null) throw new Error(`batches: the images of step ${step} expected, found them undecided`);
      const batch = free.pop() ?? allocateBatch(options);
      write(batch, step++, chosen);
      return batch;
    },
    recycle(batch) {
      free.push(batch);
    },
    async close() {
      isClosed = true;
    },
  };
}

/** @throws {RangeError} if there are fewer images than a batch holds, or the augmentation does not fit the images */
export function checkBatchOptions({ samples, imageShape, batchSize, augmentation }: BatchOptions): void {
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > samples.count) {
    throw new RangeError(`batches: expected a batch size in 1..${samples.count} (all images), found ${batchSize}`);
  }
  checkAugmentation(augmentation, imageShape);
}

/**
 * Writes the batch of a global step s: the images chosen for it or, where there is no such choice, `order[b * B .. (b + 1) * B)` with
 * `b = s mod stepsPerEpoch` and `order` that of `epoch = floor(s / stepsPerEpoch)`. So without a choice the batch depends on
 * (seed, s) only, and a training that continues at step s sees what an uninterrupted one would have seen.
 *
 * @throws {RangeError} what `checkBatchOptions` throws; the function it returns, if a label is not in 0..K-1
 */
export function batchWriter(options: BatchOptions): (batch: Batch, step: number, chosen?: ChosenImages) => void {
  checkBatchOptions(options);
  const { samples, imageShape, batchSize, classCount, augmentation, seed } = options;
  const table = normalisationTable(options.normalisation);
  const perEpoch = stepsPerEpoch(samples.count, batchSize);
  let order: Uint32Array = new Uint32Array();
  let orderEpoch = -1;
  const inTurn = (step: number): ChosenImages => {
    const epoch = Math.floor(step / perEpoch);
    if (epoch !== orderEpoch) order = epochOrder(seed, epoch, samples.count);
    orderEpoch = epoch;
    const first = (step % perEpoch) * batchSize;
    return { indices: order.subarray(first, first + batchSize), epoch };
  };
  return (batch, step, chosen = inTurn(step)) => {
    const { indices, epoch } = chosen;
    writeAugmented(batch.images, samples, imageShape, indices, table, augmentation, seed, epoch);
    for (const [position, index] of indices.entries()) batch.labels[position] = samples.labels[index]!;
    writeOneHot(batch.targets, batch.labels, classCount);
  };
}

/** What of `StepImages` decides the pixels. */
export type ChosenImages = Pick<StepImages, "indices" | "epoch">;

export function allocateBatch({ batchSize, imageShape, classCount }: BatchOptions): Batch {
  const [channels, height, width] = imageShape;
  return {
    images: new Float32Array(batchSize * channels * height * width),
    targets: new Float32Array(batchSize * classCount),
    labels: new Uint16Array(batchSize),
  };
}

function writeOneHot(targets: Float32Array, labels: Uint16Array, classCount: number): void {
  targets.fill(0);
  for (const [position, label] of labels.entries()) {
    if (label >= classCount) throw new RangeError(`batches: expected labels below ${classCount}, found ${label}`);
    targets[position * classCount + label] = 1;
  }
}

/** Images in their order, normalised, not augmented. */
export interface EvaluationBatch {
  /** [B, C, H, W] */
  readonly images: Float32Array<ArrayBuffer>;
  /** [B] */
  readonly labels: Uint16Array;
  /** The position of the batch's first image in the split. */
  readonly first: number;
  /** B; smaller in the last batch if N is not a multiple of `batchSize` */
  readonly count: number;
}

/** All N images once, in order, as they are apart from the normalisation. Every batch is a fresh one. */
export function* evaluationBatches(
  samples: Samples,
  batchSize: number,
  normalisation: Normalisation,
): Generator<EvaluationBatch, void, undefined> {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`evaluationBatches: expected a batch size of at least 1, found ${batchSize}`);
  }
  const table = normalisationTable(normalisation);
  const size = samples.pixels.length / samples.count;
  const area = size / normalisation.mean.length;
  for (let first = 0; first < samples.count; first += batchSize) {
    const end = Math.min(first + batchSize, samples.count);
    const images = normalise(samples.pixels.subarray(first * size, end * size), table, area);
    yield { images, labels: samples.labels.subarray(first, end), first, count: end - first };
  }
}

/**
 * Bytes to network input: (x / 255 - mean[c]) / std[c].
 *
 * @param pixels [B, C, H, W] bytes
 * @param table [C, 256] from `normalisationTable`
 * @param area H * W
 */
export function normalise(pixels: Uint8Array, table: Float32Array, area: number): Float32Array<ArrayBuffer> {
  const images = new Float32Array(pixels.length);
  let lookup = 0;
  for (let plane = 0; plane < pixels.length; plane += area) {
    for (let i = plane; i < plane + area; i++) images[i] = table[lookup + pixels[i]!]!;
    lookup = (lookup + 256) % table.length;
  }
  return images;
}
