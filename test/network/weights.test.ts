import { describe, expect, test } from "vitest";
import { initialValues } from "../../src/network/weights.ts";

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: Float32Array): number => {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0) / values.length;
};

describe("initialValues", () => {
  test("convolutions: normal with variance 2 / (C k k)", () => {
    const values = initialValues("a.weight", [64, 32, 3, 3], 1); // 18432 of them
    const expected = 2 / (32 * 9);
    // standard errors: of the mean, sigma / sqrt(n) = 6e-4; of the variance, 1% of it; four of each
    expect(Math.abs(mean(values))).toBeLessThan(2.5e-3);
    expect(Math.abs(variance(values) / expected - 1)).toBeLessThan(0.042);
    const outside = values.filter((value) => Math.abs(value) > 1.96 * Math.sqrt(expected)).length / values.length;
    expect(outside).toBeGreaterThan(0.043); // 5% of a normal distribution, none of a uniform one; error 0.16%
    expect(outside).toBeLessThan(0.057);
  });

  test("depthwise convolutions count the one channel that they see", () => {
    const values = initialValues("a.weight", [2048, 1, 3, 3], 1);
    expect(Math.abs(variance(values) / (2 / 9) - 1)).toBeLessThan(0.042);
  });

  test("linear layers: uniform in +-1 / sqrt(in)", () => {
    const values = initialValues("a.weight", [200, 100], 1);
    expect(Math.max(...values)).toBeLessThanOrEqual(0.1);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.1);
    expect(Math.max(...values)).toBeGreaterThan(0.0999);
    // 4 standard errors of the mean: 4 * 0.0577 / sqrt(20000); of the variance: 4 * 0.63%
    expect(Math.abs(mean(values))).toBeLessThan(1.7e-3);
    expect(Math.abs(variance(values) / (0.01 / 3) - 1)).toBeLessThan(0.026);
  });

  test("batch norm begins as the identity, biases at 0", () => {
    for (const [suffix, value] of Object.entries({ gamma: 1, variance: 1, beta: 0, mean: 0, bias: 0 }))
      expect([...initialValues(`stages.0.layers.1.${suffix}`, [5], 3)]).toEqual(Array(5).fill(value));
  });

  test("depend on the name, the seed and nothing else", () => {
    const values = initialValues("stages.0.layers.0.weight", [8, 4, 3, 3], 1);
    expect(initialValues("stages.0.layers.0.weight", [8, 4, 3, 3], 1)).toEqual(values);
    const others = [
      initialValues("stages.0.layers.1.weight", [8, 4, 3, 3], 1),
      initialValues("stages.1.layers.0.weight", [8, 4, 3, 3], 1),
      initialValues("stages.0.layers.0.weight", [8, 4, 3, 3], 2),
      initialValues("stages.0.layers.0.weight", [8, 4, 3, 3], 257),
    ];
    for (const other of others) {
      const correlation =
        values.reduce((sum, value, i) => sum + value * other[i]!, 0) /
        Math.sqrt(values.reduce((s, v) => s + v * v, 0) * other.reduce((s, v) => s + v * v, 0));
      expect(Math.abs(correlation)).toBeLessThan(0.24); // 4 / sqrt(288)
    }
  });

  test("dirac: the first channels pass through, the others stay random", () => {
    const shape = [6, 4, 3, 3];
    const [he, dirac] = [initialValues("a.weight", shape, 1), initialValues("a.weight", shape, 1, "dirac")];
    for (let o = 0; o < 4; o++) for (let i = 0; i < 36; i++) expect(dirac[o * 36 + i]).toBe(i === o * 9 + 4 ? 1 : 0);
    expect([...dirac.slice(4 * 36)]).toEqual([...he.slice(4 * 36)]);
  });
});
