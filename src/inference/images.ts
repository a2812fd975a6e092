/** Images as numbers: what needs no decoder, and the way from there to the network's input. */
import type { Normalisation } from "../dataset/augmentation.ts";
import type { ImageShape } from "../dataset/dataset.ts";
import { type ImageDataLike, imageDataPixels } from "../dataset/scale.ts";
import { show, sizeOf } from "../graph/tensor.ts";

/** An image that is numbers already: of any size, or in the network's own shape. */
export type RawImage =
  | ImageDataLike
  | { readonly pixels: Uint8Array /** [C, H, W] bytes 0..255 */ }
  | { readonly tensor: Float32Array /** [C, H, W] normalised, just as the network reads it */ };

export function isRawImage(image: unknown): image is RawImage {
  if (typeof image !== "object" || image === null) return false;
  return "pixels" in image || "tensor" in image || ("data" in image && "width" in image && "height" in image);
}

/** A tensor may go so many times as far as bytes do, for who normalises otherwise; one that was not normalised at all goes farther. */
const TENSOR_MARGIN = 10;

/** The largest value, either way, that a tensor may hold: ten times what any byte becomes. @param mean [C] @param std [C] */
export function tensorBound({ mean, std }: Normalisation): number {
  return TENSOR_MARGIN * Math.max(...mean.map((one, c) => Math.max(Math.abs(one), Math.abs(1 - one)) / std[c]!));
}

/**
 * @param bound from `tensorBound`
 * @returns [C, H, W] bytes still to be normalised, or floats that are the network's input
 * @throws {RangeError} if there are too few or too many numbers, they are of another type, or no normalised picture has them
 */
export function rawNumbers(image: RawImage, shape: ImageShape, bound: number): Uint8Array | Float32Array {
  if ("pixels" in image) return checked("pixels", image.pixels, Uint8Array, sizeOf(shape), shape);
  if ("tensor" in image) return withinBound(checked("tensor", image.tensor, Float32Array, sizeOf(shape), shape), bound);
  return imageDataPixels(image, shape);
}

function withinBound(tensor: Float32Array, bound: number): Float32Array {
  const wrong = tensor.findIndex((value) => !(Math.abs(value) <= bound));
  if (wrong < 0) return tensor;
  throw new RangeError(
    `classifier: tensor of values within +-${bound.toPrecision(3)} expected, found ${tensor[wrong]} at place ${wrong}; ` +
      "give (byte / 255 - mean) / std, or the bytes as { pixels }",
  );
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
    `classifier: ${name} as ${size} values ${show(shape)} in a ${Type.name} expected, found ${values ? `${values.length} in a ${values.constructor.name}` : "none"}`,
  );
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

/** Four at a time: every picture waits for this, and it takes three fifths of the time. */
function writeNormalised(out: Float32Array, to: number, bytes: Uint8Array, table: Float32Array, area: number): void {
  for (let from = 0, lookup = 0; from < bytes.length; from += area) {
    const until = from + area;
    let i = from;
    for (; i + 3 < until; i += 4) {
      const o = to + i;
      out[o] = table[lookup + bytes[i]!]!;
      out[o + 1] = table[lookup + bytes[i + 1]!]!;
      out[o + 2] = table[lookup + bytes[i + 2]!]!;
      out[o + 3] = table[lookup + bytes[i + 3]!]!;
    }
    for (; i < until; i++) out[to + i] = table[lookup + bytes[i]!]!;
    lookup = (lookup + 256) % table.length;
  }
}
