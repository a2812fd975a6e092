/** What the page shows, second by second. */
import { expect, test } from "vitest";
import { createLiveMeter } from "../src/live.ts";

test("a second holds what came in it; after two minutes it is gone", () => {
  let now = 1000.2;
  const meter = createLiveMeter(3, () => now);
  for (const [exit, price, ms] of [
    [1, 0.1, 4],
    [3, 0.4, 1],
    [1, 0.2, 2],
  ] as const) {
    meter.arrived();
    meter.answered(exit, price, ms);
  }
  now = 1002;
  meter.arrived();
  meter.refused();
  const quiet = { p50Ms: null, p99Ms: null };
  const second = { at: 1002, arrivals: 1, refused: 1, exits: [0, 0, 0], price: 0, ...quiet };
  const first = { at: 1000, arrivals: 3, refused: 0, exits: [2, 0, 1], price: 0.4, p50Ms: 2, p99Ms: 4 };
  expect(meter.read()).toEqual([first, second]);
  now = 1001; // the clock was set back
  meter.arrived();
  expect(meter.read().at(-1)).toMatchObject({ at: 1002, arrivals: 2 });
  now = 1121;
  meter.arrived();
  expect(meter.read().map(({ at }) => at)).toEqual([1002, 1121]);
});
