import { expect, test } from "vitest";
import { compareRuns, type RunOutcome } from "../../src/evaluation/compare-runs.ts";
import { seededRandom, uniform } from "../../src/random.ts";

const COUNT = 400;
const curve = { name: "dqn", points: [] };

/** Right in a share of the images; each costs 1 or 3 of a full 4. */
function outcome(name: string, share: number, late: number, seed: number): RunOutcome {
  const random = seededRandom(seed);
  const right = Uint8Array.from({ length: COUNT }, () => Number(uniform(random) < share));
  const costs = Float64Array.from({ length: COUNT }, () => (uniform(random) < late ? 3 : 1));
  return { name, seed, lambda: 0.1, right, costs, fullCost: 4, curve };
}

test("means over images, and mean and deviation over the runs", () => {
  const runs = [outcome("a", 0.9, 0.2, 1), outcome("b", 0.8, 0.5, 2), outcome("c", 0.7, 0.5, 3)];
  const found = compareRuns(runs);
  const accuracy = runs.map(({ right }) => right.reduce((a, b) => a + b) / COUNT);
  expect(found.samples).toBe(COUNT);
  expect(found.runs.map((run) => run.accuracy)).toEqual(accuracy.map((one) => expect.closeTo(one, 12)));
  for (const [r, { costs }] of runs.entries()) {
    const cost = costs.reduce((a, b) => a + b) / COUNT;
    expect(found.runs[r]!.cost).toBeCloseTo(cost, 10);
    expect(found.runs[r]!.savings).toBeCloseTo(1 - cost / 4, 12);
  }
  const mean = (accuracy[0]! + accuracy[1]! + accuracy[2]!) / 3;
  const squares = accuracy.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  expect(found.accuracy.mean).toBeCloseTo(mean, 12);
  expect(found.accuracy.std).toBeCloseTo(Math.sqrt(squares / 2), 12);
});

test("differences from the first run have paired intervals: of runs that agree on nearly all images they are narrow", () => {
  const first = outcome("a", 0.8, 0.3, 4);
  const right = first.right.slice();
  for (let i = 0; i < 20; i++) right[right.indexOf(0)] = 1; // twenty more
  const twin = { ...first, name: "twin", right };
  const [one, two] = compareRuns([first, twin]).runs;
  expect(one!.minusFirst).toBeUndefined();
  const { value, interval } = two!.minusFirst!.accuracy;
  expect(value).toBeCloseTo(0.05, 12);
  expect(interval[0]).toBeGreaterThan(0.025);
  expect(interval[1]).toBeLessThan(0.075);
  expect(two!.minusFirst!.savings).toEqual({ value: 0, interval: [0, 0] });
  const [, other] = compareRuns([first, outcome("b", 0.85, 0.3, 5)]).runs;
  const width = (of: readonly [number, number]): number => of[1] - of[0];
  expect(width(other!.minusFirst!.accuracy.interval)).toBeGreaterThan(2 * width(interval));
});

test("a single run has no deviation; runs on other images are refused", () => {
  expect(compareRuns([outcome("a", 0.9, 0.2, 1)]).accuracy.std).toBeNull();
  const shorter = { ...outcome("b", 0.9, 0.2, 1), right: new Uint8Array(3) };
  expect(() => compareRuns([outcome("a", 0.9, 0.2, 1), shorter])).toThrow("runs on the same images expected, found 3");
  expect(() => compareRuns([])).toThrow("runs on the same images expected, found 0");
});
