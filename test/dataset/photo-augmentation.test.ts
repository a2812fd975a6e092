import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Augmentation, normalisationTable, writeAugmented } from "../../src/dataset/augmentation.ts";
import { createSamples, type ImageShape } from "../../src/dataset/dataset.ts";
import type { Colour, Zoom } from "../../src/dataset/photo-augmentation.ts";
import { integer, seededRandom } from "../../src/random.ts";

const shape: ImageShape = [3, 6, 5];
const [height, width] = [6, 5];
const area = height * width;
const size = 3 * area;
const random = seededRandom(3);
const bytes = Uint8Array.from({ length: 4 * size }, () => integer(random, 0, 255));
const samples = createSamples(bytes, Uint16Array.from([0, 1, 0, 1]));
const raw = normalisationTable({ mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] }); // bytes come out as they are
const still = { padding: 0, flip: false, cutout: 0 };

function augment(index: number, augmentation: Augmentation, epoch: number, images = samples, table = raw) {
  const out = new Float32Array(size);
  writeAugmented(out, images, shape, Uint32Array.of(index), table, augmentation, 5, epoch);
  return out;
}

/** Byte (y, x) of a plane, reflected at the edges. */
function at(plane: Uint8Array, y: number, x: number): number {
  const fold = (i: number, last: number): number => (i < 0 ? fold(-i, last) : i > last ? fold(2 * last - i, last) : i);
  return plane[fold(y, height - 1) * width + fold(x, width - 1)]!;
}

/** The picture as a function of real coordinates: linear between the centres of pixels. */
function between(plane: Uint8Array, y: number, x: number): number {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [down, across] = [y - top, x - left];
  const row = (i: number) => at(plane, i, left) * (1 - across) + at(plane, i, left + 1) * across;
  return row(top) * (1 - down) + row(top + 1) * down;
}

describe("zoom", () => {
  const whole: Zoom = { area: [1, 1], stretch: 1 };

  test("the whole image, neither stretched nor coloured, is the image", () => {
    const out = augment(2, { ...still, zoom: whole }, 0);
    for (let i = 0; i < size; i++) expect(out[i]).toBeCloseTo(bytes[2 * size + i]!, 3);
  });

  test("mirrored, it is the mirror image in every second epoch", () => {
    const [a, b] = [0, 1].map((epoch) => augment(1, { ...still, flip: true, zoom: whole }, epoch));
    for (let row = 0; row < 3 * height; row++)
      for (let x = 0; x < width; x++) expect(a![row * width + x]).toBeCloseTo(b![row * width + width - 1 - x]!, 3);
  });

  test("every output is the image between pixels, at the corners of one rectangle of the area and ratio asked for", () => {
    // A picture of two ramps tells where each output pixel was taken: value = 20 + 30 y in one channel, 20 + 40 x in another.
    const ramps = Uint8Array.from({ length: size }, (_, i) => {
      const [c, y, x] = [Math.floor(i / area), Math.floor((i % area) / width), i % width];
      return c === 0 ? 20 + 30 * y : c === 1 ? 20 + 40 * x : 7;
    });
    const images = createSamples(ramps, Uint16Array.of(0));
    const zoom: Zoom = { area: [0.3, 0.8], stretch: 1.5 };
    const seen: number[] = [];
    for (let epoch = 0; epoch < 200; epoch++) {
      const out = augment(0, { ...still, zoom }, epoch, images);
      const y = (i: number) => (out[i * width]! - 20) / 30;
      const x = (i: number) => (out[area + i]! - 20) / 40;
      // Inside, where nothing is reflected, steps are equal: the sides of the rectangle in source pixels.
      const [tall, wide] = [y(3) - y(2), x(3) - x(2)];
      seen.push(tall * wide);
      expect(tall * wide).toBeGreaterThan(0.3 - 1e-3);
      expect(tall * wide).toBeLessThan(0.8 + 1e-3);
      expect(tall / wide).toBeLessThan(1.5 + 1e-3);
      expect(wide / tall).toBeLessThan(1.5 + 1e-3);
      const [top, left] = [y(2) - 2 * tall, x(2) - 2 * wide]; // where output (0, 0) lies
      // A side of up to the image's lies inside the image, a longer one contains it.
      for (const [start, step, count] of [
        [top, tall, height],
        [left, wide, width],
      ] as const) {
        const [first, last] = [start + 0.5 - step / 2, start + 0.5 - step / 2 + (step - 1) * count];
        expect(Math.min(first, -last)).toBeGreaterThan(Math.min(0, count * (1 - step)) - 1e-3);
        expect(Math.max(first, -last)).toBeLessThan(Math.max(0, count * (1 - step)) + 1e-3);
      }
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++)
          for (let c = 0; c < 3; c++)
            expect(out[c * area + i * width + j]).toBeCloseTo(
              between(ramps.subarray(c * area, (c + 1) * area), top + i * tall, left + j * wide),
              1,
            );
    }
    const mean = seen.reduce((a, b) => a + b) / seen.length;
    expect(mean).toBeGreaterThan(0.51); // uniform: 0.55, deviation of the mean 0.01
    expect(mean).toBeLessThan(0.59);
  });

  test("a rectangle that is larger than the image takes in reflected border", () => {
    const out = augment(0, { ...still, zoom: { area: [4, 4], stretch: 1 } }, 0);
    const own = bytes.subarray(0, size);
    expect(Math.min(...out)).toBeGreaterThanOrEqual(Math.min(...own));
    expect(Math.max(...out)).toBeLessThanOrEqual(Math.max(...own));
  });
});

describe("colour", () => {
  const means = (out: Float32Array) =>
    [0, 1, 2].map((c) => out.subarray(c * area, (c + 1) * area).reduce((a, b) => a + b) / area);
  const grey = ([r, g, b]: readonly number[]) => 0.299 * r! + 0.587 * g! + 0.114 * b!;
  const plain = Float32Array.from(bytes.subarray(size, 2 * size));
  const coloured = (colour: Partial<Colour>, epoch: number) =>
    augment(1, { ...still, colour: { brightness: 0, contrast: 0, saturation: 0, ...colour } }, epoch);

  test("nothing asked for changes nothing", () => {
    for (const [i, value] of coloured({}, 0).entries()) expect(value).toBeCloseTo(plain[i]!, 3);
  });

  test("brightness is one factor for all values, within its share", () => {
    const factors = Array.from({ length: 100 }, (_, epoch) => {
      const out = coloured({ brightness: 0.4 }, epoch);
      const factor = out[7]! / plain[7]!;
      for (const [i, value] of out.entries()) expect(value).toBeCloseTo(factor * plain[i]!, 2);
      return factor;
    });
    expect(Math.min(...factors)).toBeGreaterThan(0.6 - 1e-5);
    expect(Math.min(...factors)).toBeLessThan(0.68);
    expect(Math.max(...factors)).toBeLessThan(1.4 + 1e-5);
    expect(Math.max(...factors)).toBeGreaterThan(1.32);
  });

  test("contrast keeps the mean grey and stretches distances from it", () => {
    const centre = grey(means(plain));
    const out = coloured({ contrast: 0.5 }, 3);
    const factor = (out[0]! - centre) / (plain[0]! - centre);
    expect(Math.abs(factor - 1)).toBeGreaterThan(0.01);
    for (const [i, value] of out.entries()) expect(value).toBeCloseTo(centre + factor * (plain[i]! - centre), 2);
  });

  test("saturation keeps each pixel's grey and stretches its distance from it", () => {
    const out = coloured({ saturation: 0.5 }, 2);
    const pixel = (values: Float32Array, i: number) => [0, 1, 2].map((c) => values[c * area + i]!);
    const first = pixel(plain, 0);
    const factor = (out[0]! - grey(first)) / (first[0]! - grey(first));
    expect(Math.abs(factor - 1)).toBeGreaterThan(0.01);
    for (let i = 0; i < area; i++) {
      const before = pixel(plain, i);
      for (const [c, value] of pixel(out, i).entries())
        expect(value).toBeCloseTo(grey(before) + factor * (before[c]! - grey(before)), 2);
    }
  });

  test("values are normalised after all of it", () => {
    const table = normalisationTable({ mean: [0.2, 0.4, 0.6], std: [0.1, 0.2, 0.3] });
    const augmentation = {
      ...still,
      zoom: { area: [0.5, 1], stretch: 1.2 } as const,
      colour: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
    };
    const [before, after] = [augment(3, augmentation, 4), augment(3, augmentation, 4, samples, table)];
    for (let i = 0; i < size; i++) {
      const c = Math.floor(i / area);
      expect(after[i]).toBeCloseTo((before[i]! / 255 - [0.2, 0.4, 0.6][c]!) / [0.1, 0.2, 0.3][c]!, 3);
    }
  });
});

test("what becomes of an image depends on seed, epoch and image only, not on its neighbours; a square is blanked last", () => {
  const augmentation: Augmentation = {
    padding: 0,
    flip: true,
    cutout: 2,
    zoom: { area: [0.4, 1.1], stretch: 4 / 3 },
    colour: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
  };
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 }),
      fc.nat({ max: 1000 }),
      (indices, epoch) => {
        const together = new Float32Array(indices.length * size);
        writeAugmented(together, samples, shape, Uint32Array.from(indices), raw, augmentation, 5, epoch);
        for (const [row, index] of indices.entries()) {
          const one = augment(index, augmentation, epoch);
          expect(together.subarray(row * size, (row + 1) * size)).toEqual(one);
          expect([...one].filter((value) => value === 0).length).toBeGreaterThanOrEqual(12);
        }
      },
    ),
  );
});
