/**
 * Where in a picture an exit's answer comes from: parts are covered one after the other, and what that costs the answer is told.
 *
 *     drop[e, i] = p_e(c_e | picture) - p_e(c_e | picture with patch i covered by its mean colour),  c_e = the class that exit e gives
 *
 * Letters: E exits, G patches a side.
 *
 * @see Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014), section 4.2; they cover with grey
 */
import type { ImageShape } from "../dataset/dataset.ts";
import type { WholeWay } from "./whole-way.ts";

export interface Occlusion {
  /** G */
  readonly grid: number;
  /** [E] of [G, G], row by row: how much less likely the exit's answer is without the patch; negative where it is likelier */
  readonly drops: readonly Float32Array[];
}

/** Patches a side. */
const GRID = 8;
/** A patch is so many times as wide as its place: neighbours overlap, and what lies between two is covered too. */
const WIDTH = 2;

/** @param pixels [C, H, W] bytes 0..255 */
export async function occlusion(
  whole: Pick<WholeWay, "traces">,
  pixels: Uint8Array,
  shape: ImageShape,
  lambda: number,
): Promise<Occlusion> {
  const before = await whole.traces(pixels, lambda);
  const drops = before.map(() => new Float32Array(GRID * GRID));
  const colour = meanColour(pixels, shape);
  for (let row = 0; row < GRID; row++)
    for (let column = 0; column < GRID; column++) {
      const traces = await whole.traces(covered(pixels, shape, row, column, colour), lambda);
      for (const [exit, { classIndex, confidence }] of before.entries())
        drops[exit]![row * GRID + column] = confidence - traces[exit]!.probabilities[classIndex]!;
    }
  return { grid: GRID, drops };
}

/** [C] */
function meanColour(pixels: Uint8Array, [channels, height, width]: ImageShape): number[] {
  const area = height * width;
  return Array.from({ length: channels }, (_, c) => {
    const sum = pixels.subarray(c * area, (c + 1) * area).reduce((total, value) => total + value, 0);
    return Math.round(sum / area);
  });
}

function covered(
  pixels: Uint8Array,
  [channels, height, width]: ImageShape,
  row: number,
  column: number,
  colour: readonly number[],
): Uint8Array {
  const copy = pixels.slice();
  const [top, bottom] = reach(row, height);
  const [left, right] = reach(column, width);
  for (let c = 0; c < channels; c++)
    for (let y = top; y < bottom; y++) {
      const from = (c * height + y) * width;
      copy.fill(colour[c]!, from + left, from + right);
    }
  return copy;
}

/** Around the middle of a place, within the picture. */
function reach(place: number, size: number): [from: number, until: number] {
  const middle = ((place + 0.5) * size) / GRID;
  const half = (WIDTH * size) / GRID / 2;
  return [Math.max(0, Math.round(middle - half)), Math.min(size, Math.round(middle + half))];
}
