import { describe, expect, test } from "vitest";
import { bootstrapIntervals, wilsonInterval } from "../../src/evaluation/intervals.ts";
import { COSTS } from "./by-hand.ts";

describe("wilsonInterval", () => {
  test("of 8 of 10 and of 81 of 263, as textbooks give them", () => {
    const [low, high] = wilsonInterval(8, 10);
    expect(low).toBeCloseTo(0.4902, 4);
    expect(high).toBeCloseTo(0.9433, 4);
    const [newcombeLow, newcombeHigh] = wilsonInterval(81, 263); // Newcombe (1998), table I: 0.2553 to 0.3662
    expect(newcombeLow).toBeCloseTo(0.2553, 4);
    expect(newcombeHigh).toBeCloseTo(0.3662, 4);
  });

  test("ends at 0 and at 1, but is no point there", () => {
    expect(wilsonInterval(0, 20)[0]).toBe(0);
    expect(wilsonInterval(0, 20)[1]).toBeCloseTo(0.1611, 4); // z^2 / (n + z^2) = 3.8415 / 23.8415
    expect(wilsonInterval(20, 20)[0]).toBeCloseTo(0.8389, 4);
    expect(wilsonInterval(20, 20)[1]).toBe(1);
  });

  test("refuses more hits than trials, and no trial", () => {
    expect(() => wilsonInterval(3, 2)).toThrow("wilsonInterval: 0 to 2 hits of at least 1 expected, found 3 of 2");
    expect(() => wilsonInterval(0, 0)).toThrow(RangeError);
  });
});

describe("bootstrapIntervals", () => {
  test("of two images, worked out by hand", () => {
    // right at exit 1 (10 MACs), wrong at exit 3 (60 MACs): a quarter of the resamples is twice the one, a quarter twice
    // the other, so each end of a 95% interval is one of these
    expect(bootstrapIntervals(Uint16Array.of(1, 4), COSTS, 3)).toEqual({
      accuracy: [0, 1],
      costMacs: [10, 60],
      savings: [1 - 60 / 50, 1 - 10 / 50],
      effectiveness: [0, 80], // 100 x 0 x -0.2; 100 x 1 x 0.8
    });
  });

  test("of 2,000 images, near the normal approximation", () => {
    // 90% right: 1.96 sqrt(0.9 x 0.1 / 2000) = 0.01315; the ends are quantiles of 1000 resamples, known to some 10%
    const kinds = Uint16Array.from({ length: 2000 }, (_, i) => (i % 10 === 0 ? 0 : 1));
    const { accuracy, costMacs } = bootstrapIntervals(kinds, COSTS, 5);
    expect(Math.abs(0.9 - accuracy[0] - 0.01315)).toBeLessThan(0.002);
    expect(Math.abs(accuracy[1] - 0.9 - 0.01315)).toBeLessThan(0.002);
    expect(costMacs).toEqual([10, 10]); // all left at exit 1
  });
});
