import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { broadcastShape, normalizeAxis, sizeOf } from "../../src/graph/tensor.ts";

const shape = fc.array(fc.constantFrom(1, 1, 2, 3), { maxLength: 4 });

/** numpy's rule, size by size from the end. */
function fits(a: readonly number[], b: readonly number[]): boolean {
  const [left, right] = [[...a].reverse(), [...b].reverse()];
  return left.every((size, i) => right[i] === undefined || size === right[i] || size === 1 || right[i] === 1);
}

describe("broadcastShape", () => {
  test("takes the larger size of each pair where one of them is 1, and refuses the rest", () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        if (!fits(a, b)) {
          expect(() => broadcastShape("add", a, b)).toThrow(RangeError);
          return;
        }
        const [left, right] = [[...a].reverse(), [...b].reverse()];
        const longer = left.length > right.length ? left : right;
        const expected = longer.map((_, i) => Math.max(left[i] ?? 1, right[i] ?? 1)).reverse();
        expect(broadcastShape("add", a, b)).toEqual(expected);
      }),
      { seed: 1 },
    );
  });

  test("does not depend on the order, and a scalar changes nothing", () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        fc.pre(fits(a, b));
        expect(broadcastShape("add", a, b)).toEqual(broadcastShape("add", b, a));
        expect(broadcastShape("add", a, [])).toEqual(a);
      }),
      { seed: 1 },
    );
  });
});

test("normalizeAxis counts from the end below zero", () => {
  expect([-3, -2, -1, 0, 1, 2].map((axis) => normalizeAxis("slice", axis, 3))).toEqual([0, 1, 2, 0, 1, 2]);
});

test("sizeOf a scalar is 1", () => {
  expect([sizeOf([]), sizeOf([2, 3, 4]), sizeOf([5, 0])]).toEqual([1, 24, 0]);
});
