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
  /** [B, K] one-hot, each times the weight of its class */
  readonly targets: Float32Array<ArrayBuffer>;
  /** [B] */
  readonly labels: Uint16Array<ArrayBuffer>;
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
  /** [K] what a target's one is in each class; default 1. See `balancedWeights`. */
  readonly classWeights?: readonly number[] | undefined;
  /** The global step of the first batch; default 0. */
  readonly firstStep?: number;
}

/** Whole batches in one epoch: floor(N / B). */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.floor(count / batchSize);
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
      const batch = free.pop() ?? allocateBatch(options);
      write(batch, step++);
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
 * Writes the batch of a global step s: images `order[b * B .. (b + 1) * B)` where `b = s mod stepsPerEpoch` and `order`
 * is a permutation that depends on (seed, epoch) only, `epoch = floor(s / stepsPerEpoch)`. So the batch depends on
 * (seed, s) only, and a training that continues at step s sees what an uninterrupted one would have seen.
 *
 * @throws {RangeError} what `checkBatchOptions` throws; the function it returns, if a label is not in 0..K-1
 */
export function batchWriter(options: BatchOptions): (batch: Batch, step: number) => void {
  checkBatchOptions(options);
  const { samples, imageShape, batchSize, classCount, augmentation, seed } = options;
  const table = normalisationTable(options.normalisation);
  const perEpoch = stepsPerEpoch(samples.count, batchSize);
  let order: Uint32Array = new Uint32Array();
  let orderEpoch = -1;
  return (batch, step) => {
    const epoch = Math.floor(step / perEpoch);
    if (epoch !== orderEpoch) order = permutation(seededRandom(seed, ORDER, epoch), samples.count);
    orderEpoch = epoch;
    const first = (step % perEpoch) * batchSize;
    const indices = order.subarray(first, first + batchSize);
    writeAugmented(batch.images, samples, imageShape, indices, table, augmentation, seed, epoch);
    for (const [position, index] of indices.entries()) batch.labels[position] = samples.labels[index]!;
    writeOneHot(batch.targets, batch.labels, classCount, options.classWeights);
  };
}

export function allocateBatch({ batchSize, imageShape, classCount }: BatchOptions): Batch {
  const [channels, height, width] = imageShape;
  return {
    images: new Float32Array(batchSize * channels * height * width),
    targets: new Float32Array(batchSize * classCount),
    labels: new Uint16Array(batchSize),
  };
}

/** [K] N / (K N_k), so that all classes together weigh alike and the mean over the images is 1; 1 where a class has none. */
export function balancedWeights(labels: Uint16Array, classCount: number): number[] {
  const counts = new Array<number>(classCount).fill(0);
  for (const label of labels) counts[label]! += 1;
  const found = counts.filter((count) => count > 0).length;
  return counts.map((count) => (count > 0 ? labels.length / (found * count) : 1));
}

function writeOneHot(
  targets: Float32Array,
  labels: Uint16Array,
  classCount: number,
  classWeights?: readonly number[],
): void {
  targets.fill(0);
  for (const [position, label] of labels.entries()) {
    if (label >= classCount) throw new RangeError(`batches: expected labels below ${classCount}, found ${label}`);
    targets[position * classCount + label] = classWeights?.[label] ?? 1;
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
  const area = samples.pixels.imageBytes / normalisation.mean.length;
  for (let first = 0; first < samples.count; first += batchSize) {
    const end = Math.min(first + batchSize, samples.count);
    const images = normalise(samples.pixels.read(first, end), table, area);
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
