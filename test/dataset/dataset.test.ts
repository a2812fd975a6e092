import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createSamples, splitParts, subset } from "../../src/dataset/dataset.ts";
import { allPixels, memoryPixels } from "../../src/dataset/pixels.ts";
import { UserError } from "../../src/errors.ts";

const pixels = Uint8Array.from({ length: 5 * 4 }, (_, i) => i * 3);
const labels = Uint16Array.of(0, 1, 300, 1, 0);

describe("createSamples", () => {
  test("hashes the labels, little endian, and then the pixels", () => {
    const bytes = Uint8Array.of(0, 0, 1, 0, 44, 1, 1, 0, 0, 0, ...pixels);
    expect(createSamples(pixels, labels).sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  test("copies to shared memory, once", () => {
    const samples = createSamples(pixels, labels);
    const kept = samples.pixels.read(0, 5);
    expect(kept.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([...kept]).toEqual([...pixels]);
    expect(createSamples(kept, labels).pixels.read(0, 5).buffer).toBe(kept.buffer);
  });

  test("refuses pixels that are not a whole number per image", () => {
    expect(() => createSamples(new Uint8Array(21), labels)).toThrow("found 21 for 5");
    expect(() => createSamples(new Uint8Array(1), new Uint16Array())).toThrow(RangeError);
  });
});

describe("subset", () => {
  test("takes images and labels in the order of the indices", () => {
    const taken = subset({ pixels: memoryPixels(pixels, 4), labels }, Uint32Array.of(4, 2));
    expect([...allPixels(taken.pixels)]).toEqual([48, 51, 54, 57, 24, 27, 30, 33]);
    expect([...taken.labels]).toEqual([0, 300]);
    expect(taken.count).toBe(2);
  });

  test("refuses an index that is not there", () => {
    expect(() => subset({ pixels: memoryPixels(pixels, 4), labels }, Uint32Array.of(5))).toThrow(
      "expected indices below 5, found 5",
    );
  });
});

test("a training part too small for a validation split is the user's mistake", () => {
  const images = { pixels: memoryPixels(pixels, 4), labels: Uint16Array.of(0, 1, 1, 1, 0) };
  const parts = {
    name: "few",
    imageShape: [1, 2, 2] as const,
    classes: ["a", "b"],
    training: images,
    validation: null,
    test: images,
  };
  expect(() => splitParts(parts, 0.01, 1)).toThrow(UserError);
  expect(splitParts(parts, 0.4, 1).validation?.count).toBe(2);
});
