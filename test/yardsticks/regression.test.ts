import { expect, test } from "vitest";
import { fitRidge, predictRidge } from "../../src/exits/ridge.ts";
import { normal, seededRandom, uniform } from "../../src/random.ts";
import { fitBoosted, predictBoosted } from "../../src/yardsticks/boosting.ts";

function uniformRows(count: number, width: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count * width }, () => uniform(random));
}

const rms = (a: Float64Array, b: Float64Array): number =>
  Math.sqrt(a.reduce((sum, one, i) => sum + (one - b[i]!) ** 2, 0) / a.length);

test("ridge without penalty recovers a line exactly, and leaves out a column that does not vary", () => {
  const x = uniformRows(50, 3, 1);
  for (let i = 0; i < 50; i++) x[i * 3 + 1] = 7;
  const y = Float64Array.from({ length: 50 }, (_, i) => 2 * x[i * 3]! - 0.5 * x[i * 3 + 2]! + 4);
  const line = fitRidge(x, y, 0);
  expect(line.slopes[0]).toBeCloseTo(2, 6);
  expect(line.slopes[1]).toBe(0);
  expect(line.slopes[2]).toBeCloseTo(-0.5, 6);
  expect(rms(predictRidge(line, x, 50), y)).toBeLessThan(1e-6);
});

test("one column: the slope is covariance / (variance + penalty / N) in units of the column's deviation", () => {
  const x = Float32Array.of(-1, 1, -1, 1);
  const y = Float64Array.of(-3, 3, -1, 1);
  expect(fitRidge(x, y, 0).slopes[0]).toBeCloseTo(2, 12);
  expect(fitRidge(x, y, 4).slopes[0]).toBeCloseTo(1, 12); // sum xy / (sum xx + penalty) = 8 / 8
});

test("one tree of one level finds the best cut and the means of its sides", () => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const y = Float64Array.of(0, 0, 0, 4, 4, 4, 4, 4);
  const tree = fitBoosted(x, y, { trees: 1, levels: 1, rate: 1, share: 1, leafRows: 1 });
  expect([...predictBoosted(tree, x, 8)]).toEqual([...y]);
  expect(tree.trees[0]!.threshold[0]).toBe(3.5);
});

test("a split keeps at least leafRows on each side", () => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const y = Float64Array.of(9, 0, 0, 0, 0, 0, 0, 0);
  const tree = fitBoosted(x, y, { trees: 1, levels: 1, rate: 1, share: 1, leafRows: 3 });
  expect([...predictBoosted(tree, x, 8)].slice(0, 3)).toEqual([3, 3, 3]);
});

test("boosting learns an interaction that no line can, beyond noise, on rows that it has not seen", () => {
  const truth = (x: Float32Array, count: number) =>
    Float64Array.from({ length: count }, (_, i) => (x[i * 4]! > 0.5 === x[i * 4 + 1]! > 0.3 ? 1 : -1));
  const random = seededRandom(9);
  const [x, held] = [uniformRows(3000, 4, 2), uniformRows(1000, 4, 3)];
  const noisy = truth(x, 3000).map((one) => one + normal(random));
  const boosted = predictBoosted(fitBoosted(x, noisy, { trees: 150, rate: 0.1 }), held, 1000);
  const linear = predictRidge(fitRidge(x, noisy, 1), held, 1000);
  expect(rms(boosted, truth(held, 1000))).toBeLessThan(0.35);
  expect(rms(linear, truth(held, 1000))).toBeGreaterThan(0.8);
});

test("same seed, same trees; nothing to learn from gives the mean", () => {
  const x = uniformRows(200, 3, 4);
  const y = Float64Array.from({ length: 200 }, (_, i) => x[i * 3]! ** 2);
  expect(fitBoosted(x, y, { seed: 1 })).toEqual(fitBoosted(x, y, { seed: 1 }));
  expect(fitBoosted(x, y, { seed: 1 })).not.toEqual(fitBoosted(x, y, { seed: 2 }));
  const constant = fitBoosted(
    new Float32Array(10),
    Float64Array.from({ length: 10 }, (_, i) => i),
  );
  expect([...predictBoosted(constant, new Float32Array(3), 3)]).toEqual([4.5, 4.5, 4.5]);
  expect(() => fitBoosted(new Float32Array(5), new Float64Array(2))).toThrow(
    "x [N, D] and y [N] expected, found 5 and 2",
  );
});
