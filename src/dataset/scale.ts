/**
 * The one way from a decoded picture to what a network reads. Files, `ImageData` and the page all go through here, and everything
 * is summed in integers and rounded once: equal decoded pixels give equal bytes on every machine, in Node and in a browser.
 *
 * With s = min(width / W, height / H), the picture is scaled by 1 / s, so that it just covers H x W, and cut in the middle. Each
 * axis by itself:
 * - s >= 1: a result pixel is the mean of the part of the picture that it covers, s pixels long;
 * - s < 1: it is interpolated between the two pixels whose centres are nearest to its own (beyond the edge: the edge).
 * A picture that is H x W already keeps its pixels. What is see-through is laid on white. Grey is 0.299 R + 0.587 G + 0.114 B
 * (ITU-R BT.601). Halves are rounded up.
 */
import type { ImageShape } from "./dataset.ts";

/** Changes whenever the same picture would give other bytes. */
export const SCALE_VERSION = 1;

/** What a canvas gives: the browser's `ImageData`, or the same from anywhere else. */
export interface ImageDataLike {
  /** [height, width, 4] red, green, blue, opacity, 0..255 */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** Up to so many bytes are summed in half of a 32-bit number with a sign: 128 * 255 < 2 ** 15. */
const RUN = 128;
const EVEN_BYTES = 0xff00ff;

/**
 * @returns [C, H, W] bytes
 * @throws {RangeError} if C is neither 3 nor 1 (grey), or there are not 4 bytes for every pixel of whole sizes
 */
export function imageDataPixels({ data, width, height }: ImageDataLike, shape: ImageShape): Uint8Array {
  const [channels, rows, columns] = shape;
  if (channels !== 3 && channels !== 1)
    throw new RangeError(`picture: a network that reads 3 or 1 channels expected for RGBA, found ${channels}`);
  const isBytes = ArrayBuffer.isView(data) && data.BYTES_PER_ELEMENT === 1; // of any window or context
  const isSize = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!isBytes || !isSize || data.length !== 4 * width * height)
    throw new RangeError(
      `picture: ${width}x${height}x4 bytes of RGBA in a Uint8ClampedArray expected, found ` +
        `${data ? `${(data as Uint8Array).length} in a ${(data as Uint8Array).constructor.name}` : "none"}`,
    );
  const { across, down } = axes(width, height, rows, columns);
  const words = wordsOf(data);
  return (
    scale(channels, across, down, (y, sums) => sumOpaqueRow(words, y * width, across, sums)) ??
    scale(channels, across, down, (y, sums) => sumRow(data, 4 * y * width, across, sums), 255)!
  );
}

/**
 * The same for opaque pixels without their opacity, which a decoder gives sooner and in less memory: equal colours, equal bytes.
 *
 * @param data [height, width, 3]
 * @returns [C, H, W] bytes
 */
export function rgbPixels(data: Uint8Array, width: number, height: number, shape: ImageShape): Uint8Array {
  const [channels, rows, columns] = shape;
  const { across, down } = axes(width, height, rows, columns);
  return scale(channels as 1 | 3, across, down, (y, sums) => sumRgbRow(data, 3 * y * width, across, sums))!;
}

function axes(width: number, height: number, rows: number, columns: number): { across: Axis; down: Axis } {
  const isWide = width * rows > height * columns;
  const unit = 2 * (isWide ? rows : columns); // so long is a pixel of the picture,
  const step = 2 * (isWide ? height : width); // and so long one of the result: s = step / unit
  return { across: axis(width, columns, unit, step), down: axis(height, rows, unit, step) };
}

/** Which pixels of the picture make each result pixel along one axis; those between first and last weigh `unit`. */
interface Axis {
  readonly count: number;
  readonly unit: number;
  /** What the weights of each result pixel sum to. */
  readonly total: number;
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly firstWeight: Float64Array;
  /** 0 where the last is the first. */
  readonly lastWeight: Float64Array;
}

function axis(size: number, count: number, unit: number, step: number): Axis {
  const start = (size * unit - count * step) / 2;
  const isMean = step >= unit;
  const [first, last] = [new Int32Array(count), new Int32Array(count)];
  const [firstWeight, lastWeight] = [new Float64Array(count), new Float64Array(count)];
  for (let i = 0; i < count; i++) {
    const from = start + i * step + (isMean ? 0 : (step - unit) / 2);
    const to = from + (isMean ? step : unit); // interpolated: a pixel's length around the centre, which two pixels share
    const low = Math.floor(from / unit);
    const high = Math.ceil(to / unit) - 1;
    first[i] = Math.max(0, low);
    last[i] = Math.min(size - 1, high);
    const isOne = first[i] === last[i];
    firstWeight[i] = isOne ? to - from : (low + 1) * unit - from;
    lastWeight[i] = isOne ? 0 : to - high * unit;
  }
  return { count, unit, total: isMean ? step : unit, first, last, firstWeight, lastWeight };
}

/** Writes [W, 3] weighted sums along one row of the picture; false: it cannot. */
type SumRow = (y: number, sums: Float64Array) => boolean;

/** @param opacity what every value was multiplied by */
function scale(channels: 1 | 3, across: Axis, down: Axis, sumRow: SumRow, opacity = 1): Uint8Array | null {
  const columns = across.count;
  const kept = [new Float64Array(columns * 3), new Float64Array(columns * 3)]; // of an even row and of an odd one
  const keptRow = [-1, -1];
  const sums = new Float64Array(columns * 3);
  const pixels = new Uint8Array(channels * down.count * columns);
  const divisor = across.total * down.total * opacity;
  for (let row = 0; row < down.count; row++) {
    sums.fill(0);
    for (let y = down.first[row]!; y <= down.last[row]!; y++) {
      const own = kept[y & 1]!;
      if (keptRow[y & 1] !== y && !sumRow(y, own)) return null;
      keptRow[y & 1] = y;
      const weight =
        y === down.first[row] ? down.firstWeight[row]! : y === down.last[row] ? down.lastWeight[row]! : down.unit;
      for (let i = 0; i < sums.length; i++) sums[i]! += weight * own[i]!;
    }
    writeRow(pixels, channels, row * columns, down.count * columns, sums, divisor);
  }
  return pixels;
}

function writeRow(
  pixels: Uint8Array,
  channels: 1 | 3,
  at: number,
  area: number,
  sums: Float64Array,
  divisor: number,
): void {
  for (let x = 0, from = 0; from < sums.length; x++, from += 3) {
    const [red, green, blue] = [sums[from]!, sums[from + 1]!, sums[from + 2]!];
    if (channels === 1) {
      pixels[at + x] = Math.round((299 * red + 587 * green + 114 * blue) / (1000 * divisor));
      continue;
    }
    pixels[at + x] = Math.round(red / divisor);
    pixels[area + at + x] = Math.round(green / divisor);
    pixels[2 * area + at + x] = Math.round(blue / divisor);
  }
}

/** RGBA as one little-endian number a pixel, as on every machine that ONNX Runtime runs on. */
function wordsOf(data: Uint8Array | Uint8ClampedArray): Int32Array {
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/**
 * Red and blue are summed in one number, green and opacity in another: two additions a pixel.
 *
 * @returns false if a pixel is not opaque
 */
function sumOpaqueRow(words: Int32Array, start: number, across: Axis, sums: Float64Array): boolean {
  const { first, last, firstWeight, lastWeight, unit } = across;
  let opacity = 255;
  for (let i = 0, to = 0; i < across.count; i++, to += 3) {
    const end = start + last[i]!;
    const left = words[start + first[i]!]!;
    const right = words[end]!;
    opacity &= (left >>> 24) & (right >>> 24);
    let [red, green, blue] = [0, 0, 0];
    for (let at = start + first[i]! + 1; at < end; ) {
      const stop = Math.min(end, at + RUN);
      const count = stop - at;
      let redBlue = 0;
      let greenOpacity = 0;
      for (; at + 3 < stop; at += 4) {
        const k = words[at]!;
        const l = words[at + 1]!;
        const m = words[at + 2]!;
        const n = words[at + 3]!;
        redBlue = (redBlue + (k & EVEN_BYTES) + (l & EVEN_BYTES) + (m & EVEN_BYTES) + (n & EVEN_BYTES)) | 0;
        greenOpacity =
          (greenOpacity +
            ((k >>> 8) & EVEN_BYTES) +
            ((l >>> 8) & EVEN_BYTES) +
            ((m >>> 8) & EVEN_BYTES) +
            ((n >>> 8) & EVEN_BYTES)) |
          0; // "| 0": whole numbers of 32 bits, twice as fast
      }
      for (; at < stop; at++) {
        redBlue += words[at]! & EVEN_BYTES;
        greenOpacity += (words[at]! >>> 8) & EVEN_BYTES;
      }
      if (greenOpacity >>> 16 !== 255 * count) return false;
      red += redBlue & 0xffff;
      blue += redBlue >>> 16;
      green += greenOpacity & 0xffff;
    }
    const [a, b] = [firstWeight[i]!, lastWeight[i]!];
    sums[to] = a * (left & 255) + b * (right & 255) + unit * red;
    sums[to + 1] = a * ((left >>> 8) & 255) + b * ((right >>> 8) & 255) + unit * green;
    sums[to + 2] = a * ((left >>> 16) & 255) + b * ((right >>> 16) & 255) + unit * blue;
  }
  return opacity === 255;
}

/** A row of red, green, blue. Bytes are summed as whole numbers of 32 bits, which hold a row of eight million pixels. */
function sumRgbRow(data: Uint8Array, start: number, across: Axis, sums: Float64Array): boolean {
  const { first, last, firstWeight, lastWeight, unit } = across;
  for (let i = 0, to = 0; i < across.count; i++, to += 3) {
    const [left, right] = [start + 3 * first[i]!, start + 3 * last[i]!];
    let [red, green, blue] = [0, 0, 0];
    let at = left + 3;
    for (; at + 3 < right; at += 6) {
      red = (red + data[at]! + data[at + 3]!) | 0;
      green = (green + data[at + 1]! + data[at + 4]!) | 0;
      blue = (blue + data[at + 2]! + data[at + 5]!) | 0;
    }
    if (at < right) {
      red += data[at]!;
      green += data[at + 1]!;
      blue += data[at + 2]!;
    }
    const [a, b] = [firstWeight[i]!, lastWeight[i]!];
    sums[to] = a * data[left]! + b * data[right]! + unit * red;
    sums[to + 1] = a * data[left + 1]! + b * data[right + 1]! + unit * green;
    sums[to + 2] = a * data[left + 2]! + b * data[right + 2]! + unit * blue;
  }
  return true;
}

/** The same of any pixels, on white: a value x of opacity a counts a x + (255 - a) 255, which is 255 times too much. */
function sumRow(data: Uint8Array | Uint8ClampedArray, start: number, across: Axis, sums: Float64Array): boolean {
  const { first, last, firstWeight, lastWeight, unit } = across;
  sums.fill(0);
  for (let i = 0; i < across.count; i++) {
    for (let x = first[i]!; x <= last[i]!; x++) {
      const weight = x === first[i] ? firstWeight[i]! : x === last[i] ? lastWeight[i]! : unit;
      const at = start + 4 * x;
      const opacity = data[at + 3]!;
      const white = 255 * (255 - opacity);
      for (let c = 0; c < 3; c++) sums[3 * i + c]! += weight * (opacity * data[at + c]! + white);
    }
  }
  return true;
}
