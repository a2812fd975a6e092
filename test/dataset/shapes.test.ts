import { describe, expect, test } from "vitest";
import { allPixels } from "../../src/dataset/pixels.ts";
import { drawShape, SHAPE_CLASSES } from "../../src/dataset/shape-drawing.ts";
import { shapesDataset } from "../../src/dataset/shapes.ts";
import { seededRandom } from "../../src/random.ts";

const AREA = 32 * 32;

/** Which pixels of an easy picture belong to the shape: brighter than halfway between the darkest and the brightest. */
function silhouette(pixels: Uint8Array): boolean[] {
  const grey = Array.from({ length: AREA }, (_, i) => pixels[i]! + pixels[AREA + i]! + pixels[2 * AREA + i]!);
  const threshold = (Math.min(...grey) + Math.max(...grey)) / 2;
  return grey.map((value) => value > threshold);
}

/** Share of pixels in both among those in either, at the best of all shifts by up to 6 pixels. */
function overlap(a: boolean[], b: boolean[]): number {
  let best = 0;
  for (let dy = -6; dy <= 6; dy++) {
    for (let dx = -6; dx <= 6; dx++) {
      let both = 0;
      let either = 0;
      for (let i = 0; i < AREA; i++) {
        const x = (i % 32) + dx;
        const y = Math.floor(i / 32) + dy;
        const isInB = x >= 0 && x < 32 && y >= 0 && y < 32 && b[y * 32 + x]!;
        both += Number(a[i]! && isInB);
        either += Number(a[i]! || isInB);
      }
      best = Math.max(best, both / either);
    }
  }
  return best;
}

describe("drawShape", () => {
  test("easy pictures: a nearest-silhouette classifier, which knows one picture per class, is right", () => {
    const known = SHAPE_CLASSES.map((_, label) => silhouette(drawShape(label, 0, seededRandom(1, label))));
    let right = 0;
    for (let label = 0; label < 10; label++) {
      for (let i = 0; i < 3; i++) {
        const mask = silhouette(drawShape(label, 0, seededRandom(2, label, i)));
        const scores = known.map((one) => overlap(mask, one));
        right += Number(scores.indexOf(Math.max(...scores)) === label);
      }
    }
    expect(right).toBe(30);
  });

  test("hard pictures vary far more than easy ones", () => {
    const spread = (difficulty: number) => {
      const masks = [0, 1, 2, 3].map((i) => silhouette(drawShape(8, difficulty, seededRandom(3, i))));
      return 1 - (overlap(masks[0]!, masks[1]!) + overlap(masks[2]!, masks[3]!)) / 2;
    };
    expect(spread(1)).toBeGreaterThan(2 * spread(0));
  });

  test("depends on the random numbers only", () => {
    expect(drawShape(4, 0.7, seededRandom(8))).toEqual(drawShape(4, 0.7, seededRandom(8)));
    expect(drawShape(4, 0.7, seededRandom(8))).not.toEqual(drawShape(4, 0.7, seededRandom(9)));
  });

  test("refuses a class that is not there", () => {
    expect(() => drawShape(10, 0, seededRandom(1))).toThrow("expected a label in 0..9, found 10");
  });
});

describe("shapesDataset", () => {
  test("is balanced, has the sizes asked for, and repeats no picture", () => {
    const { train, validation, test, classes, imageShape } = shapesDataset({ trainCount: 300, testCount: 100 });
    expect([train?.count, validation?.count, test.count]).toEqual([270, 30, 100]);
    expect([imageShape, classes.length]).toEqual([[3, 32, 32], 10]);
    for (let k = 0; k < 10; k++) {
      expect(train!.labels.filter((label) => label === k).length).toBe(27);
      expect(test.labels.filter((label) => label === k).length).toBe(10);
    }
    const pictures = [train!, validation!, test].flatMap(({ pixels, count }) =>
      Array.from({ length: count }, (_, i) => Buffer.from(pixels.read(i, i + 1)).toString("base64")),
    );
    expect(new Set(pictures).size).toBe(400);
  });

  test("picture i depends on (seed, part, i) only, not on how many are drawn", () => {
    const few = shapesDataset({ trainCount: 20, testCount: 20 });
    const more = shapesDataset({ trainCount: 40, testCount: 50 });
    expect(allPixels(more.test.pixels).subarray(0, allPixels(few.test.pixels).length)).toEqual(
      allPixels(few.test.pixels),
    );
    expect(shapesDataset({ seed: 2, trainCount: 20, testCount: 20 }).test.sha256).not.toBe(few.test.sha256);
  });

  test("without a training part there is a test part alone", () => {
    const data = shapesDataset({ trainCount: 0, testCount: 10 });
    expect([data.train, data.validation, data.test.count]).toEqual([null, null, 10]);
  });
});
