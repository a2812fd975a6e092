/** How training photographs are varied: a random part of the picture, scaled, and colours changed at random. */
import { type Random, uniform } from "../random.ts";
import type { ImageShape } from "./dataset.ts";

/** A random rectangle of the image becomes the whole image. */
export interface Zoom {
  /** Smallest and largest area of the rectangle, as shares of the image's; above 1 it takes in reflected border. */
  readonly area: readonly [number, number];
  /** The rectangle is at most so many times as wide as high, or as high as wide; at least 1. */
  readonly stretch: number;
}

/** Each a share: a factor between 1 - x and 1 + x is drawn per image; 0 leaves the image as it is. */
export interface Colour {
  readonly brightness: number;
  readonly contrast: number;
  /** Nothing where there is one channel. */
  readonly saturation: number;
}

/** Share of each channel in what the eye takes for brightness (ITU-R BT.601). */
const LUMA = [0.299, 0.587, 0.114];

type Placing = Parameters<typeof placeAxis>[0];

/**
 * A function that writes one normalised image, varied.
 *
 * Zoom: the rectangle's area is uniform, its sides' ratio log-uniform, its place uniform among those inside the image (or, for a
 * side that is larger than the image, among those that contain it); pixels are interpolated linearly, the border is reflected.
 * Colour: v becomes b (m + c (g + s (v - g) - m)) with factors b, c, s for brightness, contrast and saturation, g the pixel's grey
 * and m the image's mean grey. Values are not clipped to 0..255.
 *
 * @param table [C, 256] from `normalisationTable`
 * @see Szegedy et al., "Going deeper with convolutions" (CVPR 2015), for the crops; ours may take in reflected border
 */
export function photoWriter(
  [channels, height, width]: ImageShape,
  table: Float32Array,
  { zoom, colour }: { readonly zoom?: Zoom | undefined; readonly colour?: Colour | undefined },
): (target: Float32Array, source: Uint8Array, random: Random, isFlipped: boolean) => void {
  const area = height * width;
  const rows = placing(height);
  const columns = placing(width);
  const lines = new Float32Array(channels * height * width); // rows interpolated, as bytes
  return (target, source, random, isFlipped) => {
    const [tall, wide] = zoom ? rectangle(zoom, random) : [1, 1];
    placeAxis(rows, tall * height, uniform(random), false);
    placeAxis(columns, wide * width, uniform(random), isFlipped);
    for (let c = 0; c < channels; c++) {
      const plane = source.subarray(c * area, (c + 1) * area);
      interpolate(lines.subarray(c * area, (c + 1) * area), plane, rows, columns);
    }
    const mix = colour ? colourMatrix(colour, random, meanGrey(lines, channels, area), channels) : null;
    writeNormalised(target, lines, mix, table, channels, area);
  };
}

/** Height and width of the rectangle, as shares of the image's. */
function rectangle({ area, stretch }: Zoom, random: Random): [number, number] {
  const size = Math.sqrt(area[0] + (area[1] - area[0]) * uniform(random));
  const ratio = Math.sqrt(stretch) ** (2 * uniform(random) - 1);
  return [size * ratio, size / ratio];
}

function placing(length: number) {
  return { first: new Int32Array(length), second: new Int32Array(length), part: new Float32Array(length) };
}

/** Output pixel i lies between source pixels `first` and `second`, `part` of the way. @param side of the rectangle, in pixels */
function placeAxis(
  { first, second, part }: ReturnType<typeof placing>,
  side: number,
  place: number,
  mirrored: boolean,
): void {
  const count = first.length;
  const start = place * (count - side);
  const step = side / count;
  for (let i = 0; i < count; i++) {
    const at = start + ((mirrored ? count - 1 - i : i) + 0.5) * step - 0.5;
    const below = Math.floor(at);
    first[i] = reflect(below, count - 1);
    second[i] = reflect(below + 1, count - 1);
    part[i] = at - below;
  }
}

function reflect(position: number, last: number): number {
  const period = 2 * last;
  if (period === 0) return 0;
  const inside = ((position % period) + period) % period;
  return inside > last ? period - inside : inside;
}

function interpolate(out: Float32Array, plane: Uint8Array, rows: Placing, columns: Placing): void {
  const width = columns.first.length;
  let to = 0;
  for (let y = 0; y < rows.first.length; y++) {
    const upper = rows.first[y]! * width;
    const lower = rows.second[y]! * width;
    const down = rows.part[y]!;
    for (let x = 0; x < width; x++) {
      const left = columns.first[x]!;
      const right = columns.second[x]!;
      const across = columns.part[x]!;
      const top = plane[upper + left]! + across * (plane[upper + right]! - plane[upper + left]!);
      const bottom = plane[lower + left]! + across * (plane[lower + right]! - plane[lower + left]!);
      out[to++] = top + down * (bottom - top);
    }
  }
}

function meanGrey(lines: Float32Array, channels: number, area: number): number {
  let grey = 0;
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = c * area; i < (c + 1) * area; i++) sum += lines[i]!;
    grey += sum * (channels === 3 ? LUMA[c]! : 1 / channels);
  }
  return grey / area;
}

/** [C, C + 1]: every channel as a weighted sum of all, and a constant. */
function colourMatrix(
  { brightness, contrast, saturation }: Colour,
  random: Random,
  mean: number,
  channels: number,
): Float64Array {
  const factor = (share: number) => 1 + share * (2 * uniform(random) - 1);
  const [b, c, s] = [factor(brightness), factor(contrast), channels === 3 ? factor(saturation) : 1];
  const matrix = new Float64Array(channels * (channels + 1));
  for (let out = 0; out < channels; out++) {
    const row = out * (channels + 1);
    for (let from = 0; from < channels; from++)
      matrix[row + from] = b * c * ((out === from ? s : 0) + (channels === 3 ? (1 - s) * LUMA[from]! : 0));
    matrix[row + channels] = b * (1 - c) * mean;
  }
  return matrix;
}

/** Applies the matrix and the table's straight line: the normalised value of x is table[0] + x (table[255] - table[0]) / 255. */
function writeNormalised(
  target: Float32Array,
  lines: Float32Array,
  mix: Float64Array | null,
  table: Float32Array,
  channels: number,
  area: number,
): void {
  for (let c = 0; c < channels; c++) {
    const offset = table[c * 256]!;
    const slope = (table[c * 256 + 255]! - offset) / 255;
    const row = c * (channels + 1);
    for (let i = 0; i < area; i++) {
      let value = mix ? mix[row + channels]! : lines[c * area + i]!;
      if (mix) for (let from = 0; from < channels; from++) value += mix[row + from]! * lines[from * area + i]!;
      target[c * area + i] = offset + slope * value;
    }
  }
}
