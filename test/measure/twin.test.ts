import { expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { answersOf } from "../../src/exits/answers.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { benchmark } from "../../src/measure/benchmark.ts";
import { compareAtCost, correctAt } from "../../src/measure/same-cost.ts";
import { leastAgreement } from "../../src/measure/twin.ts";
import { decide } from "../../src/policy/agent.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import { quantise } from "../../src/quantise/quantise.ts";
import { benchText } from "../../src/report/bench-text.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CLASSES, handMadeAgent, modelOf, network, policyOf, wavyData, wavyPixels } from "../inference/small.ts";

const COUNT = 64;
const runtime = createNodeRuntime({ threads: 1 });
const labels = Uint16Array.from({ length: COUNT }, (_, i) => i % CLASSES.length);
const samples = createSamples(wavyPixels(COUNT, 5), labels);
const mixed = handMadeAgent({ scale: 2, seed: 7 });
const clock = { cpuMs: () => performance.now(), joules: () => null };

test("a twin in 8 bits is timed at every batch size and judged on the same images", async () => {
  const data = wavyData(samples);
  const small = await quantise({ network, data, runtime, images: 64 });
  const twin = { network: small, policy: policyOf(mixed) };
  const figures = await benchmark(runtime, modelOf(mixed), samples, clock, { lambdas: [0.05, 0.1], int8: twin });
  const { full, adaptive, agreement, pathOverhead } = figures.int8!;
  expect(full.map(({ batch }) => batch)).toEqual([1, 32, 256]);
  expect(adaptive.map(({ batch, lambda }) => [batch, lambda])).toEqual(
    [1, 32, 256].flatMap((batch) => [
      [batch, 0.05],
      [batch, 0.1],
    ]),
  );
  expect(adaptive.map(({ recommended }) => recommended)).toEqual([false, true, false, true, false, true]);
  for (const { speedup } of full) expect(speedup).toBeGreaterThan(0);
  expect(pathOverhead).toBeGreaterThan(-1);

  const table = await computeExitTable(runtime, small, samples);
  const costs = exitCosts(network, mixed);
  const exits = await decide(runtime, mixed, answersOf(table, mixed), costs, 0.1);
  const meanMacs = exits.reduce((sum, exit) => sum + costs.exitMacs[exit]! / COUNT, 0);
  for (const one of adaptive.filter(({ lambda }) => lambda === 0.1)) {
    expect(one.meanMacs).toBeCloseTo(meanMacs, 3);
    if (one.floatAccuracy === null) expect(one.difference).toBeNull();
    else expect(one.difference!.mean).toBeCloseTo(one.accuracy - one.floatAccuracy, 9);
  }
  expect(agreement).toBe(leastAgreement(await computeExitTable(runtime, network, samples), table));
  expect(agreement).toBeGreaterThan(0.7); // a small random network changes its mind easily
  expect(benchText(figures, false)).toContain(`full network ${full[0]!.speedup.toFixed(2)} times at batch 1`);
});

test("without a twin nothing is said of one", async () => {
  const figures = await benchmark(runtime, modelOf(mixed), samples, clock, { images: 20, lambdas: [0.1] });
  expect(figures).not.toHaveProperty("int8");
  expect(benchText(figures, true)).not.toContain("8 bits");
});

test("the float accuracy at a cost lies between the points beside it, and nowhere outside of them", () => {
  const point = (meanMacs: number, ...correct: number[]) => ({ meanMacs, correct: Float64Array.from(correct) });
  const points = [point(400, 1, 1), point(200, 1, 0), point(100, 0, 0)];
  expect(correctAt(points, 300)).toEqual(Float64Array.of(1, 0.5));
  expect(correctAt(points, 125)).toEqual(Float64Array.of(0.25, 0));
  expect(correctAt(points, 100)).toEqual(Float64Array.of(0, 0));
  expect(correctAt(points, 99)).toBeNull();
  expect(correctAt(points, 401)).toBeNull();
});

test("two models at one cost: the difference and its interval, image by image", () => {
  const N = 200;
  const right = (holds: (i: number) => boolean) => Float64Array.from({ length: N }, (_, i) => (holds(i) ? 1 : 0));
  const others = [{ meanMacs: 10, correct: right((i) => i % 2 === 0) }];
  const better = { meanMacs: 10, correct: right((i) => i % 2 === 0 || i % 20 === 1) }; // five in a hundred more
  const found = compareAtCost(better, others)!;
  expect(found.accuracy).toBe(0.5);
  expect(found.difference.mean).toBeCloseTo(0.05, 12);
  const spread = 1.96 * Math.sqrt((0.05 * 0.95) / N);
  expect(found.difference.interval[0]).toBeCloseTo(0.05 - spread, 1.5);
  expect(found.difference.interval[1]).toBeCloseTo(0.05 + spread, 1.5);
  expect(found.difference.interval[0]).toBeGreaterThan(0);
  expect(compareAtCost({ ...better, meanMacs: 11 }, others)).toBeNull();
});

test("agreement is that of the exit where it is least", () => {
  const table = (logits: number[]) => ({
    logits: Float32Array.from(logits),
    labels: Uint16Array.of(0, 0),
    count: 2,
    exits: 2,
    classes: 2,
  });
  const one = table([1, 0, 0, 1, 3, 1, 2, 5]);
  expect(leastAgreement(one, table([5, 1, 1, 2, 9, 3, 0, 1]))).toBe(1);
  expect(leastAgreement(one, table([5, 1, 2, 1, 9, 3, 0, 1]))).toBe(0.5); // exit 2 of the first image
});
