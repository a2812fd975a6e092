import { integer, type Random, seededRandom } from "../random.ts";
import type { ImageShape, Samples } from "./dataset.ts";
import { type Colour, photoWriter, type Zoom } from "./photo-augmentation.ts";
import { pixelChunks } from "./pixels.ts";

const FLIP = 0x666c6970; // keep these random numbers apart from those of other purposes with the same seed
const CROP = 0x63726f70;

/** A byte x of channel c becomes `(x / 255 - mean[c]) / std[c]`. */
export interface Normalisation {
  /** [C] of x / 255 */
  readonly mean: readonly number[];
  /** [C] of x / 255, above 0 */
  readonly std: readonly number[];
}

/** How a training image is varied each time it is seen. */
export interface Augmentation {
  /** Pixels of reflection on each side before a random crop back to H x W; 0 turns cropping off; below H and W. */
  readonly padding: number;
  /** Mirrors left and right in every second epoch. */
  readonly flip: boolean;
  /** Side in pixels of a square filled with the mean; 0 turns it off; at most H and W. */
  readonly cutout: number;
  /** In place of the shift by `padding`: a random part of the image, scaled to H x W. */
  readonly zoom?: Zoom | undefined;
  /** Brightness, contrast and saturation at random. */
  readonly colour?: Colour | undefined;
}

export const NO_AUGMENTATION: Augmentation = { padding: 0, flip: false, cutout: 0 };

/**
 * Mean and standard deviation of every channel of x / 255, exact: summed in integers.
 * A channel that never varies gets a standard deviation of 1, so that normalising it gives 0.
 */
export function channelStatistics(samples: Samples, [channels, height, width]: ImageShape): Normalisation {
  const counts = new Float64Array(channels * 256); // [C, 256]
  const area = height * width;
  for (const chunk of pixelChunks(samples.pixels)) {
    for (let from = 0, row = 0; from < chunk.length; from += area, row = (row + 256) % counts.length)
      for (let i = from; i < from + area; i++) counts[row + chunk[i]!]! += 1;
  }
  const mean: number[] = [];
  const std: number[] = [];
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    let squares = 0;
    for (let value = 0; value < 256; value++) {
      sum += value * counts[c * 256 + value]!;
      squares += value * value * counts[c * 256 + value]!;
    }
    const average = sum / (samples.count * area);
    const variance = squares / (samples.count * area) - average ** 2;
    mean.push(average / 255);
    std.push(variance > 1e-9 ? Math.sqrt(variance) / 255 : 1);
  }
  return { mean, std };
}

/** The normalised value of every byte of every channel: [C, 256]. */
export function normalisationTable({ mean, std }: Normalisation): Float32Array {
  return Float32Array.from({ length: mean.length * 256 }, (_, i) => {
    const c = i >> 8;
    return ((i & 255) / 255 - mean[c]!) / std[c]!;
  });
}

/**
 * Writes the normalised, augmented images at `indices` to `out`.
 * What becomes of image i depends on (seed, epoch, i) only, whatever stands beside it in the batch.
 *
 * Crop: the image, padded by reflection (the edge itself is not repeated), is shifted by up to `padding` pixels.
 * Flip: the first sight of an image is mirrored at random, then every second one, so that each pair of epochs shows both.
 * Cutout: one square, wholly inside the image, is set to 0: the mean.
 *
 * @param table [C, 256] from `normalisationTable`
 * @param out [B, C, H, W], B = number of indices
 * @see Keller Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024), section 3.6, for the alternating flip
 * @see DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017); their square may
 *   stick out of the image, here it does not
 */
export function writeAugmented(
  out: Float32Array,
  samples: Samples,
  imageShape: ImageShape,
  indices: Uint32Array,
  table: Float32Array,
  augmentation: Augmentation,
  seed: number,
  epoch: number,
): void {
  const [channels, height, width] = imageShape;
  const size = channels * height * width;
  const writePhoto = augmentation.zoom || augmentation.colour ? photoWriter(imageShape, table, augmentation) : null;
  const rows = new Int32Array(height); // offset of the source row, for every row
  const columns = new Int32Array(width);
  for (const [position, index] of indices.entries()) {
    const random = seededRandom(seed, CROP, epoch, index);
    const source = samples.pixels.read(index, index + 1);
    const target = out.subarray(position * size, (position + 1) * size);
    if (writePhoto) {
      writePhoto(target, source, random, augmentation.flip && isFlipped(seed, epoch, index));
      if (augmentation.cutout > 0) cutOut(target, imageShape, augmentation.cutout, random);
      continue;
    }
    sourcePositions(rows, shift(random, augmentation.padding), false, width);
    sourcePositions(
      columns,
      shift(random, augmentation.padding),
      augmentation.flip && isFlipped(seed, epoch, index),
      1,
    );
    copyNormalised(target, source, rows, columns, table);
    if (augmentation.cutout > 0) cutOut(target, imageShape, augmentation.cutout, random);
  }
}

/** @throws {RangeError} if images of this shape cannot be augmented this way */
export function checkAugmentation({ padding, cutout }: Augmentation, [, height, width]: ImageShape): void {
  const side = Math.min(height, width);
  if (!Number.isInteger(padding) || padding < 0 || padding >= side) {
    throw new RangeError(`augmentation: expected padding to be an integer in 0..${side - 1}, found ${padding}`);
  }
  if (!Number.isInteger(cutout) || cutout < 0 || cutout > side) {
    throw new RangeError(`augmentation: expected cutout to be an integer in 0..${side}, found ${cutout}`);
  }
}

function isFlipped(seed: number, epoch: number, index: number): boolean {
  return (integer(seededRandom(seed, FLIP, index), 0, 1) + epoch) % 2 === 1;
}

function shift(random: Random, padding: number): number {
  return padding === 0 ? 0 : integer(random, -padding, padding);
}

/** positions[i] = stride * (i + shift), mirrored if asked, reflected at both edges. */
function sourcePositions(positions: Int32Array, shift: number, mirrored: boolean, stride: number): void {
  const last = positions.length - 1;
  for (let i = 0; i <= last; i++) {
    const shifted = Math.abs((mirrored ? last - i : i) + shift);
    positions[i] = stride * (shifted > last ? 2 * last - shifted : shifted);
  }
}

function copyNormalised(
  target: Float32Array,
  source: Uint8Array,
  rows: Int32Array,
  columns: Int32Array,
  table: Float32Array,
): void {
  const height = rows.length;
  const width = columns.length;
  let to = 0;
  for (let from = 0, lookup = 0; from < source.length; from += height * width, lookup += 256) {
    for (let y = 0; y < height; y++) {
      const row = from + rows[y]!;
      for (let x = 0; x < width; x++) target[to + x] = table[lookup + source[row + columns[x]!]!]!;
      to += width;
    }
  }
}

function cutOut(image: Float32Array, [channels, height, width]: ImageShape, side: number, random: Random): void {
  const top = integer(random, 0, height - side);
  const left = integer(random, 0, width - side);
  for (let c = 0; c < channels; c++) {
    for (let y = top; y < top + side; y++) {
      const start = (c * height + y) * width + left;
      image.fill(0, start, start + side);
    }
  }
}
