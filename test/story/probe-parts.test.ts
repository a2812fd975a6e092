import { expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { probeParts } from "../../src/story/probe-cuts.ts";

/** One byte per picture, one class after the other, as folders are read. */
const sorted = (count: number, classes: number) =>
  createSamples(
    Uint8Array.from({ length: count }, (_, i) => i % 256),
    Uint16Array.from({ length: count }, (_, i) => Math.floor((i * classes) / count)),
  );
const counts = (labels: ArrayLike<number>, classes: number) =>
  Array.from({ length: classes }, (_, k) => Array.from(labels).filter((one) => one === k).length);

test("few pictures: every class is learned from and judged, though folders come one class after the other", () => {
  const { learning, judging } = probeParts(sorted(480, 4), sorted(120, 4), 3000);
  expect([learning.count, judging.count]).toEqual([320, 160]);
  for (const part of [learning, judging])
    for (const count of counts(part.labels, 4)) {
      expect(count).toBeGreaterThan(0.15 * part.count); // a quarter, but for chance
      expect(count).toBeLessThan(0.35 * part.count);
    }
});

test("none is in both parts, and the same pictures come again", () => {
  const part = () => probeParts(sorted(90, 3), sorted(10, 3), 3000);
  const bytes = ({ learning, judging }: ReturnType<typeof part>) =>
    [learning, judging].map(({ pixels, count }) => [...pixels.read(0, count)]);
  const [learned, judged] = bytes(part());
  expect(new Set([...learned!, ...judged!]).size).toBe(90);
  expect(bytes(part())).toEqual([learned, judged]);
});

test("many to judge: the others do, and all that are learned from are training pictures", () => {
  const { learning, judging } = probeParts(sorted(200, 2), sorted(400, 2), 300);
  expect([learning.count, judging.count]).toEqual([200, 100]);
  expect(counts(judging.labels, 2)).toEqual([50, 50]);
});
