/** Pictures that are there twice, within a split or in two of them: exactly, or nearly (scaled, packed again, a little cut). */
import type { Dataset, ImageShape, Samples } from "./dataset.ts";
import { imageDataPixels } from "./scale.ts";

/** A picture of a data set. */
export interface PictureAt {
  readonly split: "train" | "validation" | "test";
  /** In its split. */
  readonly index: number;
  readonly name: string;
  readonly className: string;
}

export interface DuplicatePair {
  readonly kind: "exact" | "near";
  readonly first: PictureAt;
  readonly second: PictureAt;
}

/** Of 64 bits of a fingerprint so many may differ, */
const MOST_BITS = 3;
/** and so many levels of grey, on average over 16 x 16. */
const MOST_LEVELS = 6;
/** Pictures of one colour, or nearly, are alike without being the same. */
const LEAST_CONTRAST = 4;
const BANDS = 4;

interface Print extends PictureAt {
  /** Whether each of 8 x 8 grey levels is below its right neighbour, in four parts of 16 bits. */
  readonly bits: readonly number[];
  readonly levels: Uint8Array;
}

/**
 * Each picture that is like one before it, with the first such one. At most `MOST_BITS` of 64 bits differ, so that at least one of
 * four parts is equal: only pictures that share a part are compared.
 *
 * @see Krawetz, "Kind of like that" (2013), for the difference hash; here the grey levels are compared as well
 */
export function findDuplicates(data: Dataset): DuplicatePair[] {
  const known = new Map<string, Print[]>();
  const pairs: DuplicatePair[] = [];
  for (const one of prints(data)) {
    const keys = one.bits.map((part, band) => `${band} ${part}`);
    const before = keys.flatMap((key) => known.get(key) ?? []).find((other) => isAlike(one, other));
    if (before) {
      const kind = sameBytes(data, before, one) ? "exact" : "near";
      pairs.push({ kind, first: plain(before), second: plain(one) });
      continue;
    }
    for (const key of keys) known.set(key, [...(known.get(key) ?? []), one]);
  }
  return pairs;
}

function* prints(data: Dataset): Generator<Print> {
  for (const split of ["train", "validation", "test"] as const) {
    const samples = data[split];
    for (let index = 0; index < (samples?.count ?? 0); index++) {
      const picture = rgba(samples!, index, data.imageShape);
      const small = imageDataPixels(picture, [1, 8, 9]);
      const bits = new Array<number>(BANDS).fill(0);
      for (let y = 0; y < 8; y++)
        for (let x = 0; x < 8; x++)
          if (small[y * 9 + x]! < small[y * 9 + x + 1]!) bits[y >> 1]! |= 1 << (8 * (y & 1) + x);
      const levels = imageDataPixels(picture, [1, 16, 16]);
      const name = samples!.names?.[index] ?? `picture ${index + 1}`;
      yield { split, index, name, className: data.classes[samples!.labels[index]!]!, bits, levels };
    }
  }
}

function rgba({ pixels }: Samples, index: number, [channels, height, width]: ImageShape) {
  const planes = pixels.read(index, index + 1);
  const area = height * width;
  const data = new Uint8Array(4 * area).fill(255);
  for (let c = 0; c < 3; c++)
    for (let i = 0, from = channels === 1 ? 0 : c * area; i < area; i++) data[4 * i + c] = planes[from + i]!;
  return { data, width, height };
}

function isAlike(one: Print, other: Print): boolean {
  let different = 0;
  for (const [band, part] of one.bits.entries()) different += ones(part ^ other.bits[band]!);
  if (different > MOST_BITS) return false;
  let [levels, contrast] = [0, 0];
  const mean = one.levels.reduce((sum, level) => sum + level, 0) / one.levels.length;
  for (const [i, level] of one.levels.entries()) {
    levels += Math.abs(level - other.levels[i]!);
    contrast += Math.abs(level - mean);
  }
  if (levels === 0) return true;
  return levels <= MOST_LEVELS * one.levels.length && contrast >= LEAST_CONTRAST * one.levels.length;
}

function ones(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count++;
  return count;
}

function sameBytes(data: Dataset, a: PictureAt, b: PictureAt): boolean {
  const first = data[a.split]!.pixels.read(a.index, a.index + 1).slice();
  const second = data[b.split]!.pixels.read(b.index, b.index + 1);
  return first.every((byte, i) => byte === second[i]);
}

function plain({ split, index, name, className }: Print): PictureAt {
  return { split, index, name, className };
}
