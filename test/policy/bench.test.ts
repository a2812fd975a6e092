/** The parts of `bench:policy` that figures depend on. */

import { expect, test } from "vitest";
import { SHIFTS, shifted } from "../../bench/policy-images.ts";
import { judge, POLICIES, pricesFor } from "../../bench/policy-returns.ts";
import { claims, comparisonText } from "../../bench/policy-text.ts";
import { createSamples } from "../../src/dataset/dataset.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { answersOf, fitAnswers, plainRule } from "../../src/exits/answers.ts";
import { correctAnswers, returnOf } from "../../src/exits/environment.ts";
import { prepareEpisodes } from "../../src/exits/episodes.ts";
import { costShares } from "../../src/exits/observation.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { prepareYardsticks } from "../../src/yardsticks/yardstick.ts";
import { syntheticTable } from "./synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });
/** The last exit costs more than the network without exits. */
const COSTS = { exitMacs: [20, 50, 80, 110], fullMacs: 100 };

const held = answersOf(syntheticTable(400, 3), plainRule(4));
const always = (exit: number): Uint8Array => new Uint8Array(held.count).fill(exit);
const PRICE = { lambda: 0.2, environmentLambda: 0.22, savings: 0.5, wantedSavings: 0.5 };

/** The agent leaves at exit 2 with one seed and at exit 3 with the other; the yardsticks always at the same exit. */
function decisions() {
  const others = Object.fromEntries(POLICIES.map((name) => [name, [always(0)]]));
  return {
    ...others,
    dqn: [always(1), always(2)],
    optimal: [always(3)],
    bestThreshold: [always(1)],
  } as unknown as Parameters<typeof judge>[1][number];
}

const shareRight = (exit: number): number =>
  correctAnswers(held).reduce((sum, right, i) => sum + (i % 4 === exit ? right : 0), 0) / held.count;

test("R is accuracy - lambda * mean cost / full cost, and the environment's return at its own lambda", () => {
  const { points } = judge([PRICE], [decisions()], held, COSTS);
  const { dqn, optimal, bestFixed } = points[0]!.returns;
  const [early, late] = [shareRight(1) - 0.2 * 0.5, shareRight(2) - 0.2 * 0.8];
  expect(dqn.mean).toBeCloseTo((early + late) / 2, 12);
  expect(dqn.std).toBeCloseTo(Math.abs(early - late) / 2, 12);
  expect(dqn.savings).toBeCloseTo(0.35, 12);
  expect(optimal).toMatchObject({ std: 0, accuracy: shareRight(3) });
  expect(optimal.mean).toBeCloseTo(returnOf(always(3), correctAnswers(held), costShares(COSTS), 0.22), 12);
  expect(bestFixed.savings).toBeCloseTo(0.8, 12);
});

test("gain and differences follow from R, and lie within their intervals", () => {
  const { points, average, pooledGain } = judge([PRICE], [decisions()], held, COSTS);
  const { returns, gain, gainInterval, aboveThresholds } = points[0]!;
  const { dqn, optimal, bestFixed, bestThreshold } = returns;
  expect(gain).toBeCloseTo((dqn.mean - bestFixed.mean) / (optimal.mean - bestFixed.mean), 9);
  expect(aboveThresholds).toBeCloseTo(dqn.mean - bestThreshold.mean, 9);
  expect(gainInterval[0]).toBeLessThan(gain);
  expect(gainInterval[1]).toBeGreaterThan(gain);
  expect(average.gain.mean).toBeCloseTo(gain, 12);
  expect(pooledGain.mean).toBeCloseTo(gain, 12);
  expect(average.aboveOneLambda.mean).toBeCloseTo(dqn.mean - returns.dqnOneLambda.mean, 9);
});

test("a price at which next to nothing is to be gained does not move the gain of the mean returns", () => {
  const still = { ...decisions(), optimal: [always(0)], dqn: [always(0)] }; // all as the best fixed exit: 0 / 0
  const nearly = { ...still, optimal: [always(0).with(7, 1)], dqn: [always(0).with(7, 3)] };
  const alone = judge([PRICE], [decisions()], held, COSTS);
  const both = judge([PRICE, { ...PRICE, lambda: 1e-3 }], [decisions(), nearly], held, COSTS);
  expect(Math.abs(both.pooledGain.mean - alone.pooledGain.mean)).toBeLessThan(0.05);
  expect(both.points[0]!.gain).toBeCloseTo(alone.points[0]!.gain, 12);
});

test("prices are found at which optimal stopping saves what is wanted; a substitute where none does", async () => {
  const [fit, selection] = [syntheticTable(150, 1), syntheticTable(1000, 2)];
  const rule = fitAnswers(fit);
  const problem = await prepareYardsticks(runtime, answersOf(fit, rule), COSTS);
  const judged = await prepareEpisodes(runtime, answersOf(selection, rule), COSTS);
  // the cheapest exit saves 80%: more is not to be had
  const [cheap, dear, ...others] = await pricesFor(problem, judged, [0.9, 0.7], [0.95, 0.5]);
  expect([cheap!.wantedSavings, dear!.wantedSavings]).toEqual([0.5, 0.7]);
  expect(others).toEqual([]);
  for (const { savings, wantedSavings, lambda, environmentLambda } of [cheap!, dear!]) {
    expect(Math.abs(savings - wantedSavings)).toBeLessThan(0.026);
    expect(environmentLambda).toBeCloseTo(1.1 * lambda, 12);
  }
  expect(cheap!.lambda).toBeLessThan(dear!.lambda);
});

test("a claim that does not hold is said not to", () => {
  const judged = judge([PRICE], [decisions()], held, COSTS);
  const bench = {
    ...judged,
    seeds: [1, 2],
    trainSeconds: 70,
    decideMicros: { one: 12, batch256: 1.5, alone: { one: 9, batch256: 0.3 } },
  };
  const broken = claims(bench).filter(({ holds }) => !holds);
  expect(broken.map(({ text }) => text).join()).toContain("learning takes less than 60 s: 70.0 s");
  expect(broken.map(({ text }) => text).join()).toContain("at batch 256: 1.50 us");
  expect(broken.map(({ text }) => text).join()).not.toContain("12.0 us");
  expect(comparisonText(bench)).toContain("- MISSED: learning takes");
  expect(comparisonText(bench)).toContain("- holds: deciding takes less than 20 us");
});

test("pictures are changed pixel by pixel: labels and the originals stay", () => {
  const pixels = new Uint8Array(2 * 3 * 16).fill(100);
  pixels[5] = 255; // one bright pixel at (1, 1) of the first channel
  const samples = createSamples(pixels, Uint16Array.of(3, 1));
  const changed = (name: string) => shifted(samples, [3, 4, 4], SHIFTS[name]!);
  expect(allPixels(changed("darker").pixels)[0]).toBe(30);
  expect(changed("darker").labels).toEqual(samples.labels);
  const blurred = allPixels(changed("blurred").pixels);
  const sum = blurred.subarray(0, 16).reduce((a, b) => a + b, 0);
  expect(blurred[5]!).toBeLessThan(150); // 100 + 155 * (6 / 16)^2 = 122, more where the border repeats
  expect(blurred[5]!).toBeGreaterThan(blurred[15]!);
  expect(Math.abs(sum - (15 * 100 + 255))).toBeLessThan(60);
  const noisy = allPixels(changed("noisy").pixels);
  expect(noisy).toEqual(allPixels(changed("noisy").pixels));
  expect(noisy.subarray(48)).not.toEqual(noisy.subarray(0, 48));
  expect(allPixels(samples.pixels)[5]).toBe(255);
});
