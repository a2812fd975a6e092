import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { priceOf } from "../src/price.ts";

const options = { base: 0.05, most: 1, waitPartMs: 5 };

test("nobody waits: the base price; each quarter of the part makes it e times as much; never above the most", () => {
  expect(priceOf(options, 0)).toBe(0.05);
  expect(priceOf(options, 1.25)).toBeCloseTo(0.05 * Math.E, 12);
  expect(priceOf(options, 2.5)).toBeCloseTo(0.05 * Math.E ** 2, 12);
  expect(priceOf(options, 5)).toBe(1); // 0.05 * 54.6 = 2.73
  expect(priceOf(options, 1e6)).toBe(1);
});

test("the price never falls as the wait grows", () => {
  const wait = fc.double({ min: 0, max: 1e4, noNaN: true });
  fc.assert(fc.property(wait, wait, (a, b) => priceOf(options, Math.min(a, b)) <= priceOf(options, Math.max(a, b))));
});

describe("what makes no sense is refused", () => {
  test.each([
    [{ ...options, base: 0 }, 1],
    [{ ...options, base: 2 }, 1],
    [{ ...options, waitPartMs: 0 }, 1],
    [options, -1],
    [options, Number.NaN],
  ])("%j, %d", (given, wait) => expect(() => priceOf(given, wait)).toThrow(RangeError));
});
