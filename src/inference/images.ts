/** Images as numbers: what needs no decoder, and the way from there to the network's input. */
import type { ImageShape } from "../dataset/dataset.ts";
import { show, sizeOf } from "../graph/tensor.ts";

/** What a canvas gives: the browser's `ImageData`, or the same from anywhere else. */
export interface ImageDataLike {
  /** [height, width, 4] red, green, blue, opacity, 0..255 */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** An image that is numbers already: of any size, or in the network's own shape. */
export type RawImage =
  | ImageDataLike
  | { readonly pixels: Uint8Array /** [C, H, W] bytes 0..255 */ }
  | { readonly tensor: Float32Array /** [C, H, W] normalised, just as the network reads it */ };

export function isRawImage(image: unknown): image is RawImage {
  if (typeof image !== "object" || image === null) return false;
  return "pixels" in image || "tensor" in image || ("data" in image && "width" in image && "height" in image);
}

/**
 * @returns [C, H, W] bytes still to be normalised, or floats that are the network's input
 * @throws {RangeError} if there are too few or too many numbers, or they are of another type
 */
export function rawNumbers(image: RawImage, shape: ImageShape): Uint8Array | Float32Array {
  if ("pixels" in image) return checked("pixels", image.pixels, Uint8Array, sizeOf(shape), shape);
  if ("tensor" in image) return checked("tensor", image.tensor, Float32Array, sizeOf(shape), shape);
  return imageDataPixels(image, shape);
}

function checked<T extends Uint8Array | Float32Array>(
  name: string,
  values: T,
  Type: abstract new (...args: never) => T,
  size: number,
  shape: ImageShape,
): T {
  if (values instanceof Type && values.length === size) return values;
  throw new RangeError(
    `classifier: ${name} as ${size} values ${show(shape)} in a ${Type.name} expected, found ${values?.length} in a ${values?.constructor.name}`,
  );
}

/**
 * RGBA to [C, H, W] bytes: laid on white, scaled until it covers H x W, cut in the middle. Every pixel is the plain average of
 * the area that it covers; an image that is H x W already keeps its pixels. Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
 *
 * @throws {RangeError} if C is neither 3 nor 1 (grey), or there are not 4 values for every pixel
 */
export function imageDataPixels({ data, width, height }: ImageDataLike, shape: ImageShape): Uint8Array {
  const [channels, rows, columns] = shape;
  if (channels !== 3 && channels !== 1)
    throw new RangeError(`classifier: a network that reads 3 or 1 channels expected for RGBA, found ${channels}`);
  if (!(width > 0 && height > 0) || data.length !== 4 * width * height)
    throw new RangeError(`classifier: ${width}x${height}x4 bytes of RGBA expected, found ${data.length}`);
  const scale = Math.min(width / columns, height / rows); // pixels of the source per pixel of the result
  const across = coverage((width - columns * scale) / 2, scale, columns, width);
  const down = coverage((height - rows * scale) / 2, scale, rows, height);
  const pixels = new Uint8Array(sizeOf(shape));
  const area = rows * columns;
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const [red, green, blue] = average(data, width, down[y]!, across[x]!);
      const at = y * columns + x;
      if (channels === 1) pixels[at] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
      else {
        pixels[at] = Math.round(red);
        pixels[area + at] = Math.round(green);
        pixels[2 * area + at] = Math.round(blue);
      }
    }
  return pixels;
}

/** Source positions under one result position, along one axis, and how much of each it covers. */
interface Coverage {
  readonly first: number;
  /** sum to 1 */
  readonly weights: readonly number[];
}

function coverage(start: number, scale: number, count: number, limit: number): Coverage[] {
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [start + i * scale, start + (i + 1) * scale];
    const first = Math.min(Math.floor(from + 1e-9), limit - 1); // start and scale are quotients
    const last = Math.max(Math.min(Math.ceil(to - 1e-9), limit), first + 1);
    const parts = Array.from({ length: last - first }, (_, j) =>
      Math.max(0, Math.min(to, first + j + 1) - Math.max(from, first + j)),
    );
    const sum = parts.reduce((a, b) => a + b);
    return { first, weights: parts.map((part) => part / sum) };
  });
}

/** The mean colour, 0..255, of one rectangle of the source on white. */
function average(
  data: Uint8Array | Uint8ClampedArray,
  width: number,
  down: Coverage,
  across: Coverage,
): [red: number, green: number, blue: number] {
  let [red, green, blue] = [0, 0, 0];
  for (const [i, weightDown] of down.weights.entries())
    for (const [j, weightAcross] of across.weights.entries()) {
      const at = 4 * ((down.first + i) * width + across.first + j);
      const weight = weightDown * weightAcross;
      const opacity = data[at + 3]! / 255;
      const white = 255 * (1 - opacity);
      red += weight * (opacity * data[at]! + white);
      green += weight * (opacity * data[at + 1]! + white);
      blue += weight * (opacity * data[at + 2]! + white);
    }
  return [red, green, blue];
}

/**
 * Writes images to the network's input: bytes are normalised, `(x / 255 - mean[c]) / std[c]`, floats are taken as they are.
 *
 * @param images [C, H, W] each, or several of them one after the other
 * @param table [C, 256] from `normalisationTable`
 * @param area H * W
 */
export function writeImages(
  out: Float32Array,
  images: readonly (Uint8Array | Float32Array)[],
  table: Float32Array,
  area: number,
): void {
  let to = 0;
  for (const image of images) {
    if (image instanceof Float32Array) out.set(image, to);
    else writeNormalised(out, to, image, table, area);
    to += image.length;
  }
}

function writeNormalised(out: Float32Array, to: number, bytes: Uint8Array, table: Float32Array, area: number): void {
  for (let from = 0, lookup = 0; from < bytes.length; from += area) {
    for (let i = from; i < from + area; i++) out[to + i] = table[lookup + bytes[i]!]!;
    lookup = (lookup + 256) % table.length;
  }
}
