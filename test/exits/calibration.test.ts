import { expect, test } from "vitest";
import { answersOf } from "../../src/exits/answers.ts";
import { confidences, expectedCalibrationError } from "../../src/exits/calibration.ts";
import type { ExitTable } from "../../src/exits/exit-table.ts";

test("ECE by hand: two bins of two", () => {
  // bin (0.533, 0.6]: confidence 0.55 and 0.6, one right: |1 - 1.15| = 0.15; bin (0.933, 1]: 0.95 and 1, one right: |1 - 1.95| = 0.95
  expect(expectedCalibrationError([0.55, 0.6, 0.95, 1], [1, 0, 1, 0])).toBeCloseTo((0.15 + 0.95) / 4, 12);
  expect(expectedCalibrationError([1, 1], [1, 1])).toBe(0);
  expect(() => expectedCalibrationError([0.5], [])).toThrow("ece: one answer per confidence expected, found 0 and 1");
});

test("confidences by hand", () => {
  const table: ExitTable = {
    logits: Float32Array.of(2, 0, 0, 4),
    labels: Uint16Array.of(0, 0),
    count: 2,
    exits: 1,
    classes: 2,
  };
  const { confidence, correct } = confidences(answersOf(table, { temperatures: [2], priorWeights: [0] }), 0);
  expect(confidence[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
  expect(confidence[1]).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  expect([...correct]).toEqual([1, 0]);
});
