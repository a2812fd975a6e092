import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Augmentation,
  channelStatistics,
  checkAugmentation,
  NO_AUGMENTATION,
  normalisationTable,
  writeAugmented,
} from "../../src/dataset/augmentation.ts";
import { createSamples, type ImageShape } from "../../src/dataset/dataset.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { integer, seededRandom } from "../../src/random.ts";

const shape: ImageShape = [2, 5, 6];
const size = 2 * 5 * 6;
const samples = createSamples(
  randomBytes(8 * size),
  Uint16Array.from({ length: 8 }, (_, i) => i % 3),
);
const raw = normalisationTable({ mean: [0, 0], std: [1 / 255, 1 / 255] }); // bytes come out as they are

function randomBytes(length: number): Uint8Array {
  const random = seededRandom(5);
  return Uint8Array.from({ length }, () => integer(random, 1, 255));
}

/** Augments the images at `indices` without changing their values. */
function augment(indices: number[], augmentation: Augmentation, seed: number, epoch: number): Float32Array {
  const out = new Float32Array(indices.length * size);
  writeAugmented(out, samples, shape, Uint32Array.from(indices), raw, augmentation, seed, epoch);
  return out.map(Math.round);
}

/** Pixel (y, x) of channel c of image i, reflected at the edges: written out by hand, one case after the other. */
function reflected(i: number, c: number, y: number, x: number): number {
  const [, height, width] = shape;
  if (y < 0) return reflected(i, c, -y, x);
  if (y >= height) return reflected(i, c, 2 * (height - 1) - y, x);
  if (x < 0) return reflected(i, c, y, -x);
  if (x >= width) return reflected(i, c, y, 2 * (width - 1) - x);
  return samples.pixels.read(i, i + 1)[(c * height + y) * width + x]!;
}

/** All images that padding, cropping and flipping image i can give. */
function possibleCrops(i: number, padding: number): string[] {
  const found: string[] = [];
  for (const mirrored of [false, true]) {
    for (let dy = -padding; dy <= padding; dy++) {
      for (let dx = -padding; dx <= padding; dx++) {
        const image: number[] = [];
        for (let c = 0; c < 2; c++)
          for (let y = 0; y < 5; y++)
            for (let x = 0; x < 6; x++) image.push(reflected(i, c, y + dy, (mirrored ? 5 - x : x) + dx));
        found.push(image.join());
      }
    }
  }
  return found;
}

describe("normalisation", () => {
  test("channelStatistics equals mean and deviation computed straight from the definition", () => {
    const { mean, std } = channelStatistics(samples, shape);
    for (let c = 0; c < 2; c++) {
      const values: number[] = [];
      for (let i = 0; i < 8; i++)
        values.push(...allPixels(samples.pixels).subarray(i * size + c * 30, i * size + c * 30 + 30));
      const average = values.reduce((sum, v) => sum + v / 255, 0) / values.length;
      const variance = values.reduce((sum, v) => sum + (v / 255 - average) ** 2, 0) / values.length;
      expect(mean[c]).toBeCloseTo(average, 12);
      expect(std[c]).toBeCloseTo(Math.sqrt(variance), 12);
    }
  });

  test("a constant channel becomes 0, not a division by 0", () => {
    const constant = createSamples(new Uint8Array(2 * size).fill(77), new Uint16Array(2));
    const { mean, std } = channelStatistics(constant, shape);
    expect(std).toEqual([1, 1]);
    expect(normalisationTable({ mean, std })[77]).toBeCloseTo(0, 7);
  });

  test("the table holds (x / 255 - mean) / std of every byte", () => {
    const table = normalisationTable({ mean: [0.5, 0.25], std: [0.2, 0.1] });
    expect(table[255]).toBeCloseTo((1 - 0.5) / 0.2, 6);
    expect(table[256 + 51]).toBeCloseTo((0.2 - 0.25) / 0.1, 6);
  });
});

describe("writeAugmented", () => {
  test("without augmentation, images come out as they are", () => {
    const out = augment([3, 0], NO_AUGMENTATION, 1, 0);
    expect([...out.subarray(0, size)]).toEqual([...allPixels(samples.pixels).subarray(3 * size, 4 * size)]);
    expect([...out.subarray(size)]).toEqual([...allPixels(samples.pixels).subarray(0, size)]);
  });

  test("a crop is one of the reflected crops, and in time every shift and both sides occur", () => {
    const possible = possibleCrops(2, 2);
    const seen = new Set<number>();
    for (let epoch = 0; epoch < 600; epoch++) {
      const found = possible.indexOf(augment([2], { padding: 2, flip: true, cutout: 0 }, 9, epoch).join());
      expect(found).toBeGreaterThanOrEqual(0);
      seen.add(found);
    }
    expect(seen.size).toBe(2 * 5 * 5);
  });

  test("each pair of epochs shows an image and its mirror image; about half start mirrored", () => {
    const flip = { padding: 0, flip: true, cutout: 0 };
    let mirroredFirst = 0;
    for (let seed = 0; seed < 200; seed++) {
      const isPlain = (epoch: number) => augment([1], flip, seed, epoch).join() === possibleCrops(1, 0)[0];
      for (let epoch = 0; epoch < 4; epoch++) expect(isPlain(epoch)).not.toBe(isPlain(epoch + 1));
      mirroredFirst += isPlain(0) ? 0 : 1;
    }
    expect(mirroredFirst).toBeGreaterThan(70); // 100 expected, deviation 7
    expect(mirroredFirst).toBeLessThan(130);
  });

  test("cutout sets one square to 0 in every channel and leaves the rest", () => {
    const corners = new Set<number>();
    for (let epoch = 0; epoch < 200; epoch++) {
      const out = augment([4], { padding: 0, flip: false, cutout: 3 }, 2, epoch);
      const zeros = [...out.keys()].filter((i) => out[i] === 0);
      const corner = zeros[0]!;
      corners.add(corner);
      const square = [0, 30].flatMap((c) => [0, 6, 12].flatMap((y) => [0, 1, 2].map((x) => corner + c + y + x)));
      expect(zeros).toEqual(square);
      expect(corner % 6).toBeLessThanOrEqual(3);
      for (const i of out.keys()) if (out[i] !== 0) expect(out[i]).toBe(allPixels(samples.pixels)[4 * size + i]);
    }
    expect(corners.size).toBe(3 * 4);
  });

  test("what becomes of an image depends on seed, epoch and image only, not on its neighbours", () => {
    const augmentation = { padding: 3, flip: true, cutout: 2 };
    const images = fc.array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(images, fc.integer(), fc.nat({ max: 1000 }), (indices, seed, epoch) => {
        const together = augment(indices, augmentation, seed, epoch);
        for (const [row, index] of indices.entries()) {
          expect(together.subarray(row * size, (row + 1) * size)).toEqual(augment([index], augmentation, seed, epoch));
        }
      }),
    );
  });

  test("refuses what does not fit the image", () => {
    expect(() => checkAugmentation({ padding: 5, flip: false, cutout: 0 }, shape)).toThrow("0..4, found 5");
    expect(() => checkAugmentation({ padding: 0, flip: false, cutout: 6 }, shape)).toThrow("0..5, found 6");
    expect(() => checkAugmentation({ padding: 0.5, flip: false, cutout: 0 }, shape)).toThrow(RangeError);
  });
});
