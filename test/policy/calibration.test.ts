import { expect, test } from "vitest";
import {
  calibrationErrors,
  confidences,
  expectedCalibrationError,
  fitTemperatures,
  negativeLogLikelihood,
} from "../../src/policy/calibration.ts";
import type { ExitTable } from "../../src/policy/exit-table.ts";
import { normal, seededRandom, uniform } from "../../src/random.ts";

/** Labels drawn from softmax(z); exit k shows scales[k] * z, so that its right temperature is scales[k]. */
function honestTable(count: number, scales: readonly number[], classes = 5): ExitTable {
  const random = seededRandom(11);
  const logits = new Float32Array(count * scales.length * classes);
  const labels = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const z = Array.from({ length: classes }, () => 2 * normal(random));
    const total = z.reduce((sum, one) => sum + Math.exp(one), 0);
    let rest = uniform(random) * total;
    let label = 0;
    while (label < classes - 1 && rest > Math.exp(z[label]!)) rest -= Math.exp(z[label++]!);
    labels[i] = label;
    scales.forEach((scale, k) => {
      z.forEach((one, c) => {
        logits[(i * scales.length + k) * classes + c] = scale * one;
      });
    });
  }
  return { logits, labels, count, exits: scales.length, classes };
}

test("temperatures recover the scale that the logits were blown up by", () => {
  const scales = [0.5, 1, 3];
  const found = fitTemperatures(honestTable(4000, scales));
  // 4000 images: the standard error of a fitted temperature is about 2.5%; all exits share the images, so their errors are equal
  found.forEach((temperature, k) => {
    expect(temperature / scales[k]!).toBeGreaterThan(0.93);
    expect(temperature / scales[k]!).toBeLessThan(1.07);
  });
  expect(found[2]! / found[0]!).toBeCloseTo(6, 3);
});

test("no temperature nearby has a lower negative log-likelihood", () => {
  const table = honestTable(500, [2]);
  const [temperature] = fitTemperatures(table) as [number];
  const least = negativeLogLikelihood(table, 0, temperature);
  for (const factor of [0.7, 0.99, 1.01, 1.4])
    expect(negativeLogLikelihood(table, 0, temperature * factor)).toBeGreaterThan(least);
});

test("negative log-likelihood by hand", () => {
  const table: ExitTable = {
    logits: Float32Array.of(Math.log(3), 0, 0, Math.log(3)),
    labels: Uint16Array.of(0, 0),
    count: 2,
    exits: 1,
    classes: 2,
  };
  expect(negativeLogLikelihood(table, 0, 1)).toBeCloseTo((-Math.log(0.75) - Math.log(0.25)) / 2, 6);
});

test("ECE by hand: two bins of two", () => {
  // bin (0.533, 0.6]: confidence 0.55 and 0.6, one right: |1 - 1.15| = 0.15; bin (0.933, 1]: 0.95 and 1, one right: |1 - 1.95| = 0.95
  expect(expectedCalibrationError([0.55, 0.6, 0.95, 1], [1, 0, 1, 0])).toBeCloseTo((0.15 + 0.95) / 4, 12);
  expect(expectedCalibrationError([1, 1], [1, 1])).toBe(0);
  expect(() => expectedCalibrationError([0.5], [])).toThrow("ece: one answer per confidence expected, found 0 and 1");
});

test("the fitted temperature makes confidence honest", () => {
  const table = honestTable(4000, [3]);
  const [before] = calibrationErrors(table, [1]) as [number];
  const [after] = calibrationErrors(table, fitTemperatures(table)) as [number];
  expect(before).toBeGreaterThan(0.1);
  expect(after).toBeLessThan(0.025); // sampling noise of 4000 images over 15 bins is about 0.01
});

test("confidences by hand", () => {
  const table: ExitTable = {
    logits: Float32Array.of(2, 0, 0, 4),
    labels: Uint16Array.of(0, 0),
    count: 2,
    exits: 1,
    classes: 2,
  };
  const { confidence, correct } = confidences(table, 0, 2);
  expect(confidence[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 12);
  expect(confidence[1]).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
  expect([...correct]).toEqual([1, 0]);
});

test("an empty table is refused", () => {
  const table = { logits: new Float32Array(0), labels: new Uint16Array(0), count: 0, exits: 2, classes: 3 };
  expect(() => fitTemperatures(table)).toThrow("fitTemperatures: at least 1 image expected, found 0");
});
