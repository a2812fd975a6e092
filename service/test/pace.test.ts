/** The pace against sums done by hand. */
import { expect, test } from "vitest";
import { createPace } from "../src/pace.ts";

test("it is the first estimate until something was measured, and what was measured soon after", () => {
  const pace = createPace(2);
  expect(pace.ms).toBe(2);
  pace.add(0, 8); // eight more at no time: half of it
  expect(pace.ms).toBe(1);
  for (let i = 0; i < 100; i++) pace.add(50, 10);
  expect(pace.ms).toBeCloseTo(5, 6);
});

test("what was measured a quarter of a second ago counts e times less", () => {
  const pace = createPace(1);
  pace.add(250, 10);
  // T = 8/e + 250, N = 8/e + 10
  expect(pace.ms).toBeCloseTo((8 / Math.E + 250) / (8 / Math.E + 10), 9);
});
