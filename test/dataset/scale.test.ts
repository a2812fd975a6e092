import fc from "fast-check";
import { expect, test } from "vitest";
import type { ImageShape } from "../../src/dataset/dataset.ts";
import { type ImageDataLike, imageDataPixels, rgbPixels } from "../../src/dataset/scale.ts";
import { integer, seededRandom } from "../../src/random.ts";

function noise(width: number, height: number, seed: number, isOpaque: boolean): ImageDataLike {
  const random = seededRandom(seed);
  const data = Uint8Array.from({ length: 4 * width * height }, (_, i) =>
    i % 4 === 3 && isOpaque ? 255 : integer(random, 0, 255),
  );
  return { data, width, height };
}

/** The definition in `scale.ts`, written out pixel by pixel in numbers that do not round: how much of source pixel j makes result i. */
function weight(i: number, j: number, size: number, count: number, scale: number): number {
  const start = (size - count * scale) / 2;
  if (scale >= 1) return Math.max(0, Math.min(start + (i + 1) * scale, j + 1) - Math.max(start + i * scale, j)) / scale;
  const centre = start + (i + 0.5) * scale - 0.5;
  const near = (at: number) => Math.max(0, 1 - Math.abs(centre - at));
  if (j === 0 && centre < 0) return 1;
  if (j === size - 1 && centre > size - 1) return 1;
  return near(j);
}

function reference({ data, width, height }: ImageDataLike, [channels, rows, columns]: ImageShape): number[] {
  const scale = Math.min(width / columns, height / rows);
  const planes: number[][] = [[], [], []];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let v = 0; v < height; v++)
          for (let u = 0; u < width; u++) {
            const at = 4 * (v * width + u);
            const opacity = data[at + 3]! / 255;
            const value = opacity * data[at + c]! + 255 * (1 - opacity);
            sum += weight(y, v, height, rows, scale) * weight(x, u, width, columns, scale) * value;
          }
        planes[c]!.push(sum);
      }
  if (channels === 3) return planes.flat();
  return planes[0]!.map((red, i) => 0.299 * red + 0.587 * planes[1]![i]! + 0.114 * planes[2]![i]!);
}

test("any picture at any size is what the definition says, rounded once", () => {
  const side = fc.integer({ min: 1, max: 14 });
  fc.assert(
    fc.property(
      side,
      side,
      side,
      side,
      fc.boolean(),
      fc.boolean(),
      (width, height, rows, columns, isOpaque, isGrey) => {
        const picture = noise(width, height, width * 100 + height, isOpaque);
        const shape: ImageShape = [isGrey ? 1 : 3, rows, columns];
        const expected = reference(picture, shape);
        const found = imageDataPixels(picture, shape);
        // 0.5 and what float64 may be off at a tie
        for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(0.5 + 1e-9);
      },
    ),
    { numRuns: 150, seed: 5 },
  );
});

test("runs of pixels longer than a sum holds are summed in parts", () => {
  const picture = noise(1500, 3, 9, true);
  const found = imageDataPixels(picture, [3, 1, 2]);
  for (const [c, x] of [
    [0, 0],
    [1, 1],
    [2, 0],
  ] as const) {
    let sum = 0;
    for (let y = 0; y < 3; y++) for (let u = 0; u < 3; u++) sum += picture.data[4 * (y * 1500 + 747 + 3 * x + u) + c]!;
    expect(imageDataPixels(picture, [3, 2, 4])).toHaveLength(24);
    expect(found[2 * c + x]).toBe(Math.round(sum / 9));
  }
  const flat = { data: new Uint8Array(4 * 900 * 900).fill(255), width: 900, height: 900 };
  expect(new Set(imageDataPixels(flat, [3, 1, 1]))).toEqual(new Set([255]));
});

test("an opaque picture does not depend on the way that it is summed", () => {
  const opaque = noise(61, 47, 3, true);
  const expected = imageDataPixels(opaque, [3, 16, 16]);
  const cornered = { ...opaque, data: opaque.data.slice() };
  cornered.data[4 * 61 * 47 - 1] = 254; // the last pixel is cut off anyway, but the whole takes the other way
  const found = imageDataPixels(cornered, [3, 16, 16]);
  expect(found.filter((value, i) => value !== expected[i]).length).toBeLessThanOrEqual(3);
});

test("bytes that do not lie on a multiple of four", () => {
  const picture = noise(10, 8, 4, true);
  const shifted = new Uint8Array(picture.data.length + 1);
  shifted.set(picture.data, 1);
  expect(imageDataPixels({ ...picture, data: shifted.subarray(1) }, [3, 4, 4])).toEqual(
    imageDataPixels(picture, [3, 4, 4]),
  );
});

test("opaque pixels give the same bytes with their opacity and without it", () => {
  for (const [width, height] of [
    [1, 1],
    [3, 2],
    [5, 9],
    [64, 48],
    [601, 7],
    [1500, 40],
  ] as const)
    for (const shape of [
      [3, 8, 8],
      [1, 5, 9],
      [3, 64, 48],
    ] as const) {
      const picture = noise(width, height, width + height, true);
      const rgb = Uint8Array.from(
        { length: 3 * width * height },
        (_, i) => picture.data[4 * Math.floor(i / 3) + (i % 3)]!,
      );
      expect(rgbPixels(rgb, width, height, shape)).toEqual(imageDataPixels(picture, shape));
    }
});
