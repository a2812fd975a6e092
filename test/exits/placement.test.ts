import { expect, test } from "vitest";
import { type ProbedCut, placeExits } from "../../src/exits/placement.ts";

const COUNT = 1200;
const range = { from: 0.1, to: 1 };
const end = new Uint8Array(COUNT).fill(1);

/** A probe that is right about the first `share` of the pictures and sure of exactly those. */
function probeOf(share: number, macs: number, headMacs = 0): ProbedCut {
  const isRight = (i: number): number => (i < share * COUNT ? 1 : 0);
  return {
    macs,
    headMacs,
    correct: Uint8Array.from({ length: COUNT }, (_, i) => isRight(i)),
    margin: Float32Array.from({ length: COUNT }, (_, i) => 1 - i / COUNT),
  };
}

test("one exit: where share times what is saved is largest", () => {
  const cuts = [probeOf(0.25, 10), probeOf(0.5, 30), probeOf(0.75, 70), probeOf(0.75, 90)];
  // 0.25 * 90 = 22.5, 0.5 * 70 = 35, 0.75 * 30 = 22.5, 0.75 * 10 = 7.5
  const { chosen, gain } = placeExits(cuts, end, 100, { most: 3, exactly: 1, lambdaRange: { from: 0.1, to: 0.1 } });
  expect(chosen).toEqual([1]);
  expect(gain).toBeCloseTo(0.1 * 0.35, 6);
});

test("the best set is found, as trying all of them finds it", () => {
  const cuts = [0.1, 0.2, 0.25, 0.5, 0.6, 0.9].map((share, k) => probeOf(share, 10 + 14 * k, 1));
  const best = placeExits(cuts, end, 100, { most: 6, exactly: 3, lambdaRange: range });
  const value = (set: readonly number[]): number =>
    placeExits(
      set.map((k) => cuts[k]!),
      end,
      100,
      { most: 3, exactly: 3, lambdaRange: range },
    ).gain;
  let most = Number.NEGATIVE_INFINITY;
  for (let a = 0; a < 6; a++)
    for (let b = a + 1; b < 6; b++) for (let c = b + 1; c < 6; c++) most = Math.max(most, value([a, b, c]));
  expect(best.gain).toBeCloseTo(most, 9);
  expect(value(best.chosen)).toBeCloseTo(most, 9);
});

test("an exit that costs more than it brings is left out", () => {
  const cuts = [probeOf(0.5, 20, 1), probeOf(0.5, 60, 30)];
  expect(placeExits(cuts, end, 100, { most: 2, lambdaRange: range }).chosen).toEqual([0]);
  expect(placeExits([probeOf(0, 20, 1)], end, 100, { most: 2, lambdaRange: range }).chosen).toEqual([]);
});
