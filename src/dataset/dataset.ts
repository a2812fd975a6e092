import { UserError } from "../errors.ts";
import { sha256Of } from "../files/sha256.ts";
import { memoryPixels, type PixelSource, pixelChunks } from "./pixels.ts";
import { stratifiedSplit } from "./split.ts";

/** Images with labels, one split of a dataset. Letters: N images, C channels, H, W, K classes. */
export interface Samples {
  /** [N, C, H, W] bytes 0..255, in memory or in a file */
  readonly pixels: PixelSource;
  /** [N] class indices 0..K-1 */
  readonly labels: Uint16Array;
  readonly count: number;
  /** [N] what their files are called, where they have files */
  readonly names?: readonly string[];
  /** SHA-256 over the labels (little endian) and then the pixels, in hex: the same for a folder, an archive or a copy. */
  readonly sha256: string;
}

/** [C, H, W] */
export type ImageShape = readonly [channels: number, height: number, width: number];

/** What `openDataset` returns and everything after it works on. */
export interface Dataset {
  readonly name: string;
  /** [C, H, W] */
  readonly imageShape: ImageShape;
  /** [K] names, in the order of the labels */
  readonly classes: readonly string[];
  /** The three splits never mix. `train` and `validation` are null where the source holds a test part only. */
  readonly train: Samples | null;
  readonly validation: Samples | null;
  readonly test: Samples;
  /** Pictures that could not be read and were left out; absent where there are none. */
  readonly leftOut?: readonly BrokenPicture[];
}

export interface BrokenPicture {
  readonly name: string;
  readonly reason: string;
}

/** Images as a reader found them: not split yet, nothing hashed. */
export interface Images {
  /** [N, C, H, W] bytes 0..255 */
  readonly pixels: PixelSource;
  /** [N] class indices 0..K-1 */
  readonly labels: Uint16Array;
  /** [N] what their files are called, where they have files */
  readonly names?: readonly string[];
}

/** What every reader returns; `openDataset` takes from `training` the splits that are missing. */
export interface DatasetParts {
  readonly name: string;
  readonly imageShape: ImageShape;
  readonly classes: readonly string[];
  readonly training: Images | null;
  /** null: to be taken from `training` */
  readonly validation: Images | null;
  /** null: to be taken from `training` */
  readonly test: Images | null;
  /** Makes samples of some of them, where their SHA-256 may be known; default: `createSamples`. */
  readonly toSamples?: (images: Images) => Samples;
  /** Keeps what `toSamples` found out, for the next time. */
  readonly remember?: () => Promise<void>;
  /** Pictures that could not be read and were left out; default none. */
  readonly leftOut?: readonly BrokenPicture[];
}

/**
 * N images with their SHA-256.
 *
 * @param pixels [N, C, H, W] bytes (copied, but for those that lie on a SharedArrayBuffer), or where they are
 * @param labels [N]
 * @param sha256 where it is known already
 * @throws {RangeError} if the pixels are not the same whole number of bytes for every label
 */
export function createSamples(pixels: Uint8Array | PixelSource, labels: Uint16Array, sha256?: string): Samples {
  const count = labels.length;
  const source = pixels instanceof Uint8Array ? memoryPixels(pixels, imageSize(pixels, count)) : pixels;
  if (source.count !== count)
    throw new RangeError(`samples: expected one label for each of ${source.count} images, found ${count}`);
  return { pixels: source, labels, count, sha256: sha256 ?? hash(source, labels) };
}

/**
 * The images at `indices`, in that order.
 *
 * @param indices each in 0..N-1; may repeat
 * @throws {RangeError} if an index is not in 0..N-1
 */
export function chosenImages({ pixels, labels, names }: Images, indices: Uint32Array): Images {
  for (const index of indices) {
    if (index < labels.length) continue;
    throw new RangeError(`subset: expected indices below ${labels.length}, found ${index}`);
  }
  return {
    pixels: pixels.select(indices),
    labels: Uint16Array.from(indices, (index) => labels[index]!),
    ...(names ? { names: Array.from(indices, (index) => names[index]!) } : {}),
  };
}

/** The same as samples of their own. */
export function subset(images: Images, indices: Uint32Array): Samples {
  return samplesOf(chosenImages(images, indices));
}

function samplesOf({ pixels, labels, names }: Images): Samples {
  return { ...createSamples(pixels, labels), ...(names ? { names } : {}) };
}

/** Of the training part where there is no test part; whatever the seed of a run, so that runs can be compared. */
const TEST_FRACTION = 0.1;
const TEST_SEED = 2;

/**
 * The dataset with the splits that it lacks taken from its training part, stratified: validation by the seed, and test, always the same,
 * where there is none.
 *
 * @throws {UserError} if one of them would be empty
 */
export function splitParts(parts: DatasetParts, validationFraction: number, seed: number): Dataset {
  const { name, imageShape, classes, toSamples = samplesOf, leftOut = [] } = parts;
  const { training, test } = parts.test ? { ...parts, test: parts.test } : takeTest(parts);
  const about = { name, imageShape, classes, ...(leftOut.length > 0 ? { leftOut } : {}) };
  const known = parts.validation && toSamples(parts.validation);
  if (training === null) return { ...about, train: null, validation: known, test: toSamples(test) };
  if (known) return { ...about, train: toSamples(training), validation: known, test: toSamples(test) };
  const { kept, taken } = stratifiedSplit(training.labels, validationFraction, seed);
  if (kept.length === 0 || taken.length === 0) {
    throw new UserError(
      `${name}: expected images for both train and validation, found ${kept.length} and ${taken.length} with a ` +
        `validation share of ${validationFraction}; use more training images or another share`,
    );
  }
  const [train, validation] = [kept, taken].map((indices) => toSamples(chosenImages(training, indices)));
  return { ...about, train: train!, validation: validation!, test: toSamples(test) };
}

function takeTest({ name, training }: DatasetParts): { training: Images; test: Images } {
  const found = training ? `${training.labels.length} to train` : "none to train";
  const error = () => new UserError(`${name}: expected images to test on, found none, and ${found}; add some to test/`);
  if (training === null) throw error();
  const { kept, taken } = stratifiedSplit(training.labels, TEST_FRACTION, TEST_SEED);
  if (kept.length === 0 || taken.length === 0) throw error();
  return { training: chosenImages(training, kept), test: chosenImages(training, taken) };
}

function imageSize(pixels: Uint8Array, count: number): number {
  const size = count === 0 ? 0 : pixels.length / count;
  if (!Number.isInteger(size) || (count === 0 && pixels.length > 0)) {
    throw new RangeError(`samples: expected the same number of bytes per image, found ${pixels.length} for ${count}`);
  }
  return size;
}

function hash(pixels: PixelSource, labels: Uint16Array): string {
  const littleEndian = new Uint8Array(labels.length * 2);
  const view = new DataView(littleEndian.buffer);
  for (const [i, label] of labels.entries()) view.setUint16(i * 2, label, true);
  return sha256Of(labelsFirst());

  function* labelsFirst() {
    yield littleEndian;
    yield* pixelChunks(pixels);
  }
}
