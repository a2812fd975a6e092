/** The drift meter against an index computed by hand. */
import { expect, test } from "vitest";
import { createDriftMeter, stabilityIndex } from "../src/drift.ts";

test("the stability index, by hand", () => {
  expect(stabilityIndex([0.5, 0.5], [0.5, 0.5])).toBe(0);
  expect(stabilityIndex([0.8, 0.2], [0.5, 0.5])).toBeCloseTo(0.3 * Math.log(1.6) - 0.3 * Math.log(0.4), 12);
  expect(stabilityIndex([1, 0], [0, 1])).toBeCloseTo(2 * 0.999 * Math.log(1000), 9); // shares of 0 count as 0.001
});

const expected = {
  count: 100,
  exits: [0.75, 0.25],
  classes: [0.5, 0.5],
  confidences: Float32Array.from({ length: 100 }, (_, i) => 0.5 + i / 256),
};

test("answers as on validation show no drift, others do; only the last thousand count", () => {
  const meter = createDriftMeter(expected);
  for (let i = 0; i < 99; i++) meter.add(1, 0, 0.99);
  expect(meter.read()).toBe(null);
  for (let i = 0; i < 1000; i++) meter.add(i % 4 === 0 ? 2 : 1, i % 2, 0.5 + (i % 100) / 256);
  const calm = meter.read()!;
  expect(calm.answers).toBe(1000);
  expect(Math.max(calm.exits, calm.classes, calm.confidence)).toBeLessThan(1e-6);
  for (let i = 0; i < 1000; i++) meter.add(2, 1, 0.5);
  const changed = meter.read()!;
  expect(changed.exits).toBeCloseTo(stabilityIndex([0, 1], expected.exits), 9);
  expect(changed.classes).toBeCloseTo(stabilityIndex([0, 1], expected.classes), 9);
  expect(changed.confidence).toBeGreaterThan(0.25);
});
