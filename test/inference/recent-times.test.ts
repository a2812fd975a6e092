import { afterEach, expect, test, vi } from "vitest";
import { percentile, recentTimes } from "../../src/inference/recent-times.ts";

afterEach(() => vi.restoreAllMocks());

test("the time that 95% kept within, of the last few", () => {
  const times = recentTimes(20);
  expect(times.estimate()).toBe(0);
  times.add(7);
  expect(times.estimate()).toBe(7);
  for (let ms = 1; ms <= 18; ms++) times.add(ms);
  expect(times.estimate()).toBe(18); // 19 times: the longest
  times.add(1000);
  expect(times.estimate()).toBe(18); // 20 times: one may be longer
  times.add(1000); // forgets the 7
  expect(times.estimate()).toBe(1000);
  for (let i = 0; i < 19; i++) times.add(0.5);
  expect(times.estimate()).toBe(0.5); // one 1000 is left
});

test("of times that are long ago, the median: one that was slow is tried again", () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const times = recentTimes(20, 1000);
  for (const ms of [1, 1, 50, 1, 50]) times.add(ms);
  now = 1000;
  expect(times.estimate()).toBe(50);
  now = 1001;
  expect(times.estimate()).toBe(1);
  times.add(40); // tried, and still slow
  expect(times.estimate()).toBe(50);
});

test("percentiles by nearest rank, whatever the order", () => {
  expect(percentile([3, 10, 2, 1], 0.5)).toBe(2);
  expect(percentile([3, 10, 2, 1], 0.75)).toBe(3);
  expect(percentile([3, 10, 2, 1], 0.76)).toBe(10);
  expect(percentile([3, 10, 2, 1], 0)).toBe(1);
  expect(percentile([], 0.5)).toBe(0);
});
