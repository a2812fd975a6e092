import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { halves, stratifiedSplit } from "../../src/dataset/split.ts";

const labelLists = fc.array(fc.nat({ max: 6 }), { maxLength: 300 }).map((list) => Uint16Array.from(list));
const fractions = fc.double({ min: 0, max: 1, noNaN: true });

function countPerClass(labels: Uint16Array, indices: Iterable<number>): number[] {
  const counts = new Array<number>(7).fill(0);
  for (const index of indices) counts[labels[index]!]! += 1;
  return counts;
}

describe("stratifiedSplit", () => {
  test("every image is in one part, the total is right, every class gives its share", () => {
    fc.assert(
      fc.property(labelLists, fractions, fc.integer(), (labels, fraction, seed) => {
        const { kept, taken } = stratifiedSplit(labels, fraction, seed);
        expect([...kept, ...taken].sort((a, b) => a - b)).toEqual([...labels.keys()]);
        expect(taken.length).toBe(Math.round(fraction * labels.length));
        const whole = countPerClass(labels, labels.keys());
        for (const [k, count] of countPerClass(labels, taken).entries()) {
          expect(Math.abs(count - fraction * whole[k]!)).toBeLessThan(1);
        }
      }),
    );
  });

  test("depends on the seed, and on nothing else", () => {
    const labels = Uint16Array.from({ length: 200 }, (_, i) => i % 10);
    expect(stratifiedSplit(labels, 0.3, 7)).toEqual(stratifiedSplit(labels, 0.3, 7));
    expect(stratifiedSplit(labels, 0.3, 7).taken).not.toEqual(stratifiedSplit(labels, 0.3, 8).taken);
  });

  test("takes at random within a class, not the first ones", () => {
    const { taken } = stratifiedSplit(new Uint16Array(1000), 0.1, 1);
    expect(Math.max(...taken)).toBeGreaterThan(800);
    expect([...taken]).toEqual([...taken].sort((a, b) => a - b));
  });

  test("refuses a fraction outside 0..1", () => {
    expect(() => stratifiedSplit(new Uint16Array(3), 1.5, 1)).toThrow("expected a fraction in 0..1, found 1.5");
    expect(() => stratifiedSplit(new Uint16Array(3), Number.NaN, 1)).toThrow(RangeError);
  });
});

test("halves differ by at most one image per class, and do not overlap", () => {
  const labels = Uint16Array.from({ length: 615 }, (_, i) => i % 7);
  const { fit, selection } = halves(labels, 3);
  expect(fit.length + selection.length).toBe(615);
  expect(new Set([...fit, ...selection]).size).toBe(615);
  const [a, b] = [countPerClass(labels, fit), countPerClass(labels, selection)];
  for (let k = 0; k < 7; k++) expect(Math.abs(a[k]! - b[k]!)).toBeLessThanOrEqual(1);
});
