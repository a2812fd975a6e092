import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fillUniform, integer, normal, permutation, seededRandom, uniform } from "../src/random.ts";

const COUNT = 20_000;
const first = (...key: number[]): number => uniform(seededRandom(...key));

/** chi squared of `bins` equal bins over 0..1; its mean is bins - 1, its deviation sqrt(2 (bins - 1)). */
function chiSquared(values: readonly number[], bins: number): number {
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.floor(value * bins)]!++;
  const expected = values.length / bins;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

const FIVE_DEVIATIONS = 99 + 5 * Math.sqrt(2 * 99);

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((x, y) => x + y) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  const product = (x: readonly number[], mx: number, y: readonly number[], my: number): number =>
    x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0);
  return product(a, ma, b, mb) / Math.sqrt(product(a, ma, a, ma) * product(b, mb, b, mb));
}

describe("seededRandom", () => {
  test("depends on every part of the key and on their order", () => {
    const draws = [[], [0], [1], [0, 0], [0, 1], [1, 0], [1, 2, 3], [3, 2, 1], [1, 2, 4], [-1]].map((key) =>
      first(...key),
    );
    expect(new Set(draws).size).toBe(draws.length);
    expect(first(1, 2, 3)).toBe(first(1, 2, 3));
  });

  test("the first numbers of neighbouring keys are as random as those of one generator", () => {
    const steps = Array.from({ length: COUNT }, (_, step) => seededRandom(7, step));
    const draws = [0, 1, 2, 3].map(() => steps.map((random) => uniform(random)));
    for (const own of draws) expect(chiSquared(own, 100)).toBeLessThan(FIVE_DEVIATIONS);
    // independent: deviation 1 / sqrt(20000) = 0.7%
    for (let i = 1; i < 4; i++) expect(Math.abs(correlation(draws[i - 1]!, draws[i]!))).toBeLessThan(0.035);
    expect(Math.abs(correlation(draws[0]!.slice(1), draws[0]!.slice(0, -1)))).toBeLessThan(0.035);
  });
});

describe("distributions", () => {
  test("fillUniform: 0..1 without 1, of 24 bits", () => {
    const values = new Float32Array(COUNT);
    fillUniform(seededRandom(1), values);
    expect(chiSquared([...values], 100)).toBeLessThan(FIVE_DEVIATIONS);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.every((value) => Number.isInteger(value * 2 ** 24))).toBe(true);
    expect(values.some((value) => !Number.isInteger(value * 2 ** 22))).toBe(true);
  });

  test("normal: mean 0, variance 1, the tails of a normal distribution", () => {
    const random = seededRandom(2);
    const values = Array.from({ length: COUNT }, () => normal(random));
    const mean = values.reduce((a, b) => a + b) / COUNT;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / COUNT;
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(COUNT));
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / COUNT));
    const beyond = (limit: number): number => values.filter((value) => value > limit).length / COUNT;
    expect(beyond(0)).toBeCloseTo(0.5, 1);
    expect(Math.abs(beyond(2) - 0.02275)).toBeLessThan(4 * Math.sqrt(0.02275 / COUNT));
    expect(values.every(Number.isFinite)).toBe(true);
  });

  test("integer: both ends included, all equally likely", () => {
    const random = seededRandom(3);
    const counts = new Map<number, number>();
    for (let i = 0; i < COUNT; i++) {
      const value = integer(random, -2, 2);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
    for (const count of counts.values()) expect(Math.abs(count - COUNT / 5)).toBeLessThan(4 * Math.sqrt(COUNT * 0.16));
  });

  test("permutation: each number once", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 200 }), (seed, count) => {
        const order = permutation(seededRandom(seed), count);
        expect([...order].sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
      }),
    );
  });

  test("permutation: every order equally likely", () => {
    const random = seededRandom(4);
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = permutation(random, 3).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(4 * Math.sqrt(6000 * (5 / 36)));
  });
});
