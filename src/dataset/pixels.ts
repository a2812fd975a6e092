/** The pixels of many pictures of one shape, wherever they lie: in memory here, in a file in `pixel-file.ts`. Letters: N, C, H, W. */

export interface PixelSource {
  /** N */
  readonly count: number;
  /** C * H * W */
  readonly imageBytes: number;
  /**
   * Pictures `from` to `to`, without `to`.
   *
   * @returns [to - from, C, H, W] bytes 0..255: a view, to be read and not written, that holds until the next call
   */
  read(from: number, to: number): Uint8Array;
  /** The pictures at `indices`, in that order; an index may repeat. */
  select(indices: Uint32Array): PixelSource;
  /** What another thread opens with `openPixels`: plain data, without a copy of the pixels. */
  readonly place: PixelPlace;
}

/** Where pixels lie. */
export type PixelPlace =
  | { readonly kind: "memory"; readonly bytes: Uint8Array; readonly imageBytes: number }
  | { readonly kind: "file"; readonly path: string; readonly imageBytes: number; readonly rows: Uint32Array };

const canShare = typeof SharedArrayBuffer !== "undefined";

/** Zeroed bytes, which every worker can read without a copy where memory can be shared. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(canShare ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
}

/**
 * Pixels in memory. On a page that is not cross-origin isolated memory cannot be shared, and there is no worker that reads.
 *
 * @param bytes [N, C, H, W]; copied, but for those that lie on a SharedArrayBuffer
 * @throws {RangeError} if they are not a whole number of pictures
 */
export function memoryPixels(bytes: Uint8Array, imageBytes: number): PixelSource {
  const kept = canShare && bytes.buffer instanceof SharedArrayBuffer ? bytes : copyOf(bytes);
  const count = kept.length === 0 ? 0 : kept.length / imageBytes;
  if (!Number.isInteger(count))
    throw new RangeError(`pixels: pictures of ${imageBytes} bytes expected, found ${kept.length} bytes`);
  return {
    count,
    imageBytes,
    place: { kind: "memory", bytes: kept, imageBytes },
    read: (from, to) => kept.subarray(from * imageBytes, to * imageBytes),
    select(indices) {
      const chosen = sharedBytes(indices.length * imageBytes);
      for (const [row, index] of indices.entries())
        chosen.set(kept.subarray(index * imageBytes, (index + 1) * imageBytes), row * imageBytes);
      return memoryPixels(chosen, imageBytes);
    },
  };
}

/** Pictures a few at a time, so that a large set is never in memory as a whole. */
export function* pixelChunks(pixels: PixelSource): Generator<Uint8Array, void, undefined> {
  const step = Math.max(1, Math.floor(CHUNK_BYTES / pixels.imageBytes));
  for (let from = 0; from < pixels.count; from += step) yield pixels.read(from, Math.min(from + step, pixels.count));
}

const CHUNK_BYTES = 2 ** 22;

/** All of them, as a copy: for sets that are known to be small. @returns [N, C, H, W] */
export function allPixels(pixels: PixelSource): Uint8Array {
  return pixels.read(0, pixels.count).slice();
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = sharedBytes(bytes.length);
  copy.set(bytes);
  return copy;
}
