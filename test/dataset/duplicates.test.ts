import { expect, test } from "vitest";
import { createSamples, type Dataset } from "../../src/dataset/dataset.ts";
import { findDuplicates } from "../../src/dataset/duplicates.ts";
import { shapesDataset } from "../../src/dataset/shapes.ts";

const drawn = shapesDataset({ seed: 4, trainCount: 60, testCount: 20 });
const size = 3 * 32 * 32;

/** The test split with these pictures of train in its first places. */
function withLeaks(...changes: ((bytes: Uint8Array) => Uint8Array)[]): Dataset {
  const pixels = drawn.test.pixels.read(0, 20).slice();
  for (const [i, change] of changes.entries()) pixels.set(change(drawn.train!.pixels.read(i, i + 1).slice()), i * size);
  return { ...drawn, test: createSamples(pixels, drawn.test.labels) };
}

test("a picture of train in test is found, as it is or a little changed, and nothing else", () => {
  const brighter = (bytes: Uint8Array) => bytes.map((byte) => Math.min(255, byte + 3));
  const found = findDuplicates(withLeaks((bytes) => bytes, brighter));
  const clean = findDuplicates(drawn).map(({ second }) => `${second.split} ${second.index}`);
  const leaks = found.filter(({ second }) => !clean.includes(`${second.split} ${second.index}`));
  expect(leaks.map(({ kind, first, second }) => [kind, first.split, first.index, second.split, second.index])).toEqual([
    ["exact", "train", 0, "test", 0],
    ["near", "train", 1, "test", 1],
  ]);
  expect(clean.length).toBeLessThan(3);
});

test("plain pictures of different colours are not alike, equal ones are the same", () => {
  const plain = (...levels: number[]) =>
    createSamples(Uint8Array.from(levels.flatMap((level) => Array(12).fill(level))), new Uint16Array(levels.length));
  const data: Dataset = {
    name: "plain",
    imageShape: [3, 2, 2],
    classes: ["a"],
    train: plain(10, 12, 200),
    validation: plain(100),
    test: plain(12, 150),
  };
  expect(
    findDuplicates(data).map(({ kind, first, second }) => [kind, first.index, second.split, second.index]),
  ).toEqual([["exact", 1, "test", 0]]);
});
