/** The parts of `bench:policy` that figures depend on. */
import { expect, test } from "vitest";
import { SHIFTS, shifted } from "../../bench/policy-images.ts";
import { claims, verdictText } from "../../bench/policy-text.ts";
import { type NetworkReturns, networkReturns, verdictOf } from "../../bench/policy-verdict.ts";
import { createSamples } from "../../src/dataset/dataset.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const DECIDING = { one: 12, batch256: 1.5, alone: { one: 9, batch256: 0.3 } };

/** Returns of 0 and 1: the agent is right on `agent` of 1,000 images, the thresholds on 800 of the same order. */
function returns(name: string, agent: number): NetworkReturns {
  const right = (count: number): Float64Array => Float64Array.from({ length: 1000 }, (_, i) => (i < count ? 1 : 0));
  return { name, agent: right(agent), thresholds: right(800), fixed: right(700), optimal: right(810), learnSeconds: 5 };
}

test("the verdict is the mean over networks, its interval pairs the images, the gain is that of the means", () => {
  const { difference, interval, gain, networks } = verdictOf([returns("a", 806), returns("b", 802)]);
  expect(difference).toBeCloseTo(0.004, 12);
  expect(networks.map((one) => Number(one.difference.toFixed(9)))).toEqual([0.006, 0.002]);
  // paired: only 6 and 2 images differ; standard error sqrt(0.006 + 0.002) / 2 / sqrt(1000) = 0.0014
  expect(interval[0]).toBeGreaterThan(0.004 - 3 * 0.0014);
  expect(interval[0]).toBeLessThan(0.004 - 0.0014);
  expect(interval[1]).toBeLessThan(0.004 + 3 * 0.0014);
  expect(gain).toBeCloseTo((0.804 - 0.7) / (0.81 - 0.7), 12);
});

test("a claim that does not hold is said not to", () => {
  const figures = { ...verdictOf([returns("a", 790), { ...returns("b", 800), learnSeconds: 70 }]), deciding: DECIDING };
  const broken = claims(figures).filter(({ holds }) => !holds);
  expect(broken.map(({ text }) => text.slice(0, 12))).toEqual(["verdict: R(a", "the gain ove", "one agent le"]);
  expect(broken[0]!.text).toContain("is -0.0050 (95% -0.0");
  expect(verdictText(figures, [1])).toContain("- MISSED: one agent learns in less than 30 s: 70.0 s");
  expect(verdictText(figures, [1])).toContain("- holds: deciding takes less than 20 us for one image: 12.0 us");
});

test("every image is judged once a seed, by policies fitted to other folds", async () => {
  const runtime = createNodeRuntime({ threads: 1 });
  const table = syntheticTable(240, 3);
  const found = await networkReturns(runtime, {
    name: "t",
    table,
    costs: COSTS,
    seeds: [1],
    folds: 2,
    lambdas: [0.1],
    withOptimal: false,
    options: { steps: 30, warmup: 100 },
  });
  expect(found.optimal).toBeNull();
  const shares = COSTS.exitMacs.map((macs) => macs / COSTS.exitMacs[3]!);
  const possible = shares.flatMap((share) => [1 - 0.1 * share, -0.1 * share]);
  for (const values of [found.agent, found.thresholds, found.fixed])
    for (const value of values) expect(Math.min(...possible.map((one) => Math.abs(one - value)))).toBeLessThan(1e-9);
  const mean = (values: Float64Array): number => values.reduce((a, b) => a + b) / values.length;
  expect(mean(found.thresholds)).toBeGreaterThan(mean(found.fixed) - 0.02);
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
