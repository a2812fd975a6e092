import { expect, test } from "vitest";
import { channelStatistics, normalisationTable } from "../../src/dataset/augmentation.ts";
import type { ImageShape } from "../../src/dataset/dataset.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { shapesDataset } from "../../src/dataset/shapes.ts";
import { whiteningFilters } from "../../src/training/whitening.ts";

const shape: ImageShape = [3, 32, 32];
const samples = shapesDataset({ trainCount: 200, testCount: 10 }).train!;
const normalisation = channelStatistics(samples, shape);
const table = normalisationTable(normalisation);

/** A filter's answers on the patches that the filters are computed from, and on no others: every second one of a row and of a column. */
function answers(filters: Float32Array, filter: number): number[] {
  const result: number[] = [];
  const pixels = allPixels(samples.pixels);
  for (let image = 0; image < samples.count; image++)
    for (let top = 0; top + 3 <= 32; top += 2)
      for (let left = 0; left + 3 <= 32; left += 2) {
        let sum = 0;
        for (let c = 0; c < 3; c++)
          for (let y = 0; y < 3; y++)
            for (let x = 0; x < 3; x++) {
              const byte = pixels[((image * 3 + c) * 32 + top + y) * 32 + left + x]!;
              sum += filters[filter * 27 + c * 9 + y * 3 + x]! * table[c * 256 + byte]!;
            }
        result.push(sum);
      }
  return result;
}

test("the answers are uncorrelated and of variance 1, and the second half are the negatives of the first", async () => {
  const filters = await whiteningFilters(samples, shape, normalisation, 8);
  expect(filters).toHaveLength(8 * 27);
  const all = [0, 1, 2, 3].map((filter) => answers(filters, filter));
  const meanProduct = (a: number[], b: number[]) => a.reduce((sum, one, i) => sum + one * b[i]!, 0) / a.length;
  // e / (e + 5e-4) instead of 1, for eigenvalues e above 0.1
  for (const [i, a] of all.entries())
    for (const [j, b] of all.entries()) expect(meanProduct(a, b)).toBeCloseTo(i === j ? 1 : 0, 2);
  expect([...filters.slice(4 * 27)]).toEqual([...filters.slice(0, 4 * 27)].map((one) => -one));
});

test("the components that vary most come first", async () => {
  const filters = await whiteningFilters(samples, shape, normalisation, 54);
  const norms = Array.from({ length: 27 }, (_, i) => Math.hypot(...filters.subarray(i * 27, (i + 1) * 27)));
  expect(norms).toEqual([...norms].sort((a, b) => a - b));
  expect(norms.at(-1)! / norms[0]!).toBeGreaterThan(3);
});
