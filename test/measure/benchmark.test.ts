import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { nodeMeters } from "../../src/cli/bench.ts";
import { createSamples } from "../../src/dataset/dataset.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { answersOf } from "../../src/exits/answers.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { dialOf } from "../../src/exits/observation.ts";
import { oneFileGraph } from "../../src/export/one-file.ts";
import { fullNetworkGraph } from "../../src/inference/stage-programs.ts";
import { benchmark, mixedExits } from "../../src/measure/benchmark.ts";
import type { BenchmarkFigures } from "../../src/measure/benchmark-figures.ts";
import { type Contestant, takeTurns } from "../../src/measure/stopwatch.ts";
import { decide } from "../../src/policy/agent.ts";
import { lambdaForExit } from "../../src/policy/fixed-exit-agent.ts";
import { benchText } from "../../src/report/bench-text.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import {
  CLASSES,
  EXITS,
  handMadeAgent,
  IMAGE_SIZE,
  modelOf,
  network,
  policyOf,
  wavyPixels,
} from "../inference/small.ts";

const COUNT = 60;
const runtime = createNodeRuntime({ threads: 1 });
const mixed = handMadeAgent({ scale: 2, seed: 7 });
const model = modelOf(mixed);
const samples = createSamples(
  wavyPixels(COUNT, 5),
  Uint16Array.from({ length: COUNT }, (_, i) => i % CLASSES.length),
);
const table = await computeExitTable(runtime, network, samples);

const clock = { cpuMs: () => performance.now(), joules: () => performance.now() / 10 };

afterEach(() => vi.restoreAllMocks());

test("contestants take turns: each works on every round, in an order that changes", async () => {
  const log: string[] = [];
  const contestant = (name: string): Contestant<string> => ({
    run: async (pixels, round) => {
      expect(round).toBe(pixels[0]);
      return `${name}${round}`;
    },
    onResult: (result, round) => log.push(`${result}@${round}`),
  });
  const pixelsOf = (round: number) => Uint8Array.of(round);
  const contestants = [contestant("a"), contestant("b")];
  await takeTurns({ contestants, batch: 256, rounds: 3, pixelsOf, meters: clock });
  expect(log).toEqual(["a0@0", "b0@0", "b1@1", "a1@1", "a2@2", "b2@2"]);
  log.length = 0;
  let rounds = 0;
  const onRound = (count: number): void => {
    rounds += count;
  };
  await takeTurns({ contestants, batch: 16, rounds: 3, pixelsOf, meters: clock, onRound });
  expect(log).toEqual(["a0@0", "a1@1", "b0@0", "b1@1", "b2@2", "a2@2"]); // two batches of 16 make a turn
  expect(rounds).toBe(3);
  log.length = 0;
  await takeTurns({ contestants: [...contestants, contestant("c")], batch: 256, rounds: 30, pixelsOf, meters: clock });
  const pairs = log.slice(1).map((one, i) => `${log[i]![0]}${one[0]}`);
  expect(new Set(pairs)).toEqual(new Set(["ab", "ac", "ba", "bc", "ca", "cb", "aa", "bb", "cc"]));
});

test("exits in a mix: as often as the agent takes them, the rare ones often enough, and each with its own time", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const policy = { ...policyOf(mixed), lambda: 0.01 }; // shares 0.1, 0.2, 0.7
  const counts = [0, 0, 0];
  const program = {
    run: async ({ seen }: Readonly<Record<string, Float32Array>>) => {
      const exit = [0, 1, 2].find((k) => Math.abs(seen![0]! - dialOf(lambdaForExit(mixed, k))) < 1e-3)!;
      counts[exit]! += 1;
      now += [2, 30, 400][exit]!;
      return {};
    },
  };
  const { contestant, meansOf } = mixedExits(program, policy, 480, () => new Float32Array(IMAGE_SIZE));
  for (let round = 0; round < 480; round++) await contestant.run(new Uint8Array(IMAGE_SIZE), round);
  expect(counts.reduce((a, b) => a + b)).toBe(480);
  expect(counts[0]).toBeCloseTo(48, -1);
  expect(counts[1]).toBeCloseTo(90, -1.5);
  const rare = { ...policy, calibration: [{ ...policy.calibration[0]!, exitShares: [1, 0, 0] }] };
  counts.fill(0);
  const other = mixedExits(program, rare, 480, () => new Float32Array(IMAGE_SIZE));
  const [measured] = await takeTurns({
    contestants: [other.contestant],
    batch: 1,
    rounds: 480,
    pixelsOf: () => new Uint8Array(IMAGE_SIZE),
    meters: clock,
  });
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(20); // an eighth of an equal part
  expect(other.meansOf(measured!.times)).toEqual([2, 30, 400]);
  expect(meansOf(Array(480).fill(1))).toEqual([1, 1, 1]);
});

test("times, CPU time and joules are per image", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const busy = (ms: (round: number) => number): Contestant => ({
    run: async (pixels) => {
      now += ms(pixels[0]!);
    },
  });
  const race = {
    contestants: [busy((round) => (round === 4 ? 14 : 4)), busy(() => 1)],
    batch: 2,
    rounds: 5,
    pixelsOf: (round: number) => Uint8Array.of(round),
  };
  const [slow, fast] = await takeTurns({ ...race, meters: { cpuMs: () => 2 * now, joules: () => now / 10 } });
  expect(slow!.times).toEqual([2, 2, 2, 2, 7]); // 4 ms for 2 images, and once 14
  expect(slow).toMatchObject({ p50Ms: 2, meanMs: 3 });
  expect(fast).toMatchObject({ p50Ms: 0.5, meanMs: 0.5 });
  expect(slow!.cpuMsPerImage).toBeCloseTo(6, 9);
  expect(slow!.joulesPerImage).toBeCloseTo(0.3, 9);
  const [blind] = await takeTurns({ ...race, meters: { cpuMs: () => 0, joules: () => null } });
  expect(blind!.joulesPerImage).toBeNull();
});

test("the full network is backbone and last head alone: the answers of the last exit", async () => {
  const { mean, std } = network.normalisation;
  const x = Float32Array.from(allPixels(samples.pixels), (value, i) => {
    const c = Math.floor(i / 64) % 2;
    return (value / 255 - mean[c]!) / std[c]!;
  });
  const program = await Program.compile(runtime, fullNetworkGraph(network));
  const { probabilities } = await program.run({ x });
  await program.close();
  for (let i = 0; i < COUNT; i++) {
    const logits = [...table.logits.subarray((i * EXITS + EXITS - 1) * CLASSES.length).subarray(0, CLASSES.length)];
    const sum = logits.reduce((all, one) => all + Math.exp(one), 0);
    logits.forEach((one, k) => {
      expect(probabilities![i * CLASSES.length + k]).toBeCloseTo(Math.exp(one) / sum, 4);
    });
  }
});

test("the figures: shares and accuracy as the agent decides, savings as they are defined", async () => {
  const progress: number[] = [];
  const figures = await benchmark(runtime, model, samples, nodeMeters(), {
    images: 1000, // there are only 60
    lambdas: [0.01, 1],
    oneFile: oneFileGraph(network, model.policy),
    against: network,
    onProgress: (done, total) => progress.push(done / total),
  });
  expect(progress.at(-1)).toBe(1);
  const fields = [
    ...["threads", "lambda", "costs", "full", "stages", "exits", "emptyRunMs", "adaptive"],
    ...["pathOverhead", "stagePathOverhead", "oneFile", "against"],
  ];
  expect(Object.keys(figures)).toEqual(fields);
  expect(figures.oneFile!.lambda).toBe(model.policy.lambda);
  expect(figures.oneFile!.meanMs).toBeGreaterThan(0);
  expect(figures.threads).toBe(1);
  expect(figures.full.map(({ batch }) => batch)).toEqual([1, 32, 256]);
  expect(figures.stages.map(({ exit, batch }) => [exit, batch])).toEqual(
    [1, 32, 256].flatMap((batch) => [1, 2, 3].map((exit) => [exit, batch])),
  );
  expect(figures.adaptive.map(({ lambda, batch }) => [batch, lambda])).toEqual(
    [1, 32, 256].flatMap((batch) => [0.01, 1].map((lambda) => [batch, lambda])),
  );
  expect(figures.against.map(({ name, batch }) => [name, batch])).toEqual(
    [1, 32, 256].map((batch) => [network.blueprint.name, batch]),
  );
  for (const { meanMs } of figures.against) expect(meanMs).toBeGreaterThan(0);
  const { costs } = model.policy;
  for (const one of figures.adaptive) {
    const answers = answersOf(table, mixed);
    const chosen = await decide(runtime, mixed, answers, costs, one.lambda);
    const shares = [0, 1, 2].map((k) => chosen.filter((exit) => exit === k).length / COUNT);
    expect(one.exitShares).toEqual(shares);
    const right = [...chosen].filter((exit, i) => {
      const row = answers.logProbabilities.subarray((i * EXITS + exit) * CLASSES.length).subarray(0, CLASSES.length);
      return row.indexOf(Math.max(...row)) === samples.labels[i];
    });
    expect(one.accuracy).toBeCloseTo(right.length / COUNT, 9);
    const macs = shares.reduce((sum, share, k) => sum + share * costs.exitMacs[k]!, 0);
    expect(one.macSavings).toBeCloseTo(1 - macs / costs.fullMacs, 9);
    const full = figures.full.find(({ batch }) => batch === one.batch)!;
    expect(one.timeSavings).toBeCloseTo(1 - one.meanMs / full.meanMs, 9);
    const stageMs = figures.stages.filter(({ batch }) => batch === one.batch).map(({ meanMs }) => meanMs);
    const exitMs = figures.exits.map(({ mixedMs }) => mixedMs);
    expect(Math.min(...exitMs)).toBeGreaterThan(0);
    const spent =
      one.batch === 1
        ? shares[0]! * exitMs[0]! + shares[1]! * exitMs[1]! + shares[2]! * exitMs[2]!
        : stageMs[0]! + (shares[1]! + shares[2]!) * stageMs[1]! + shares[2]! * stageMs[2]!;
    expect(one.predictedTimeSavings).toBeCloseTo(1 - spent / full.meanMs, 9);
    expect(one.imagesPerSecond).toBeCloseTo(1000 / one.meanMs, 6);
    expect(one.p50Ms).toBeLessThanOrEqual(one.p95Ms);
    expect(one.p95Ms).toBeLessThanOrEqual(one.p99Ms);
    expect(one.cpuMsPerImage).toBeGreaterThan(0);
  }
  const path = figures.stages.filter(({ batch }) => batch === 1).reduce((sum, { meanMs }) => sum + meanMs, 0);
  expect(figures.stagePathOverhead).toBeCloseTo(path / figures.full[0]!.meanMs - 1, 9);
  expect(figures.exits.map(({ exit }) => exit)).toEqual([1, 2, 3]);
  expect(figures.pathOverhead).toBeCloseTo(figures.exits[2]!.meanMs / figures.full[0]!.meanMs - 1, 9);
  expect(figures.emptyRunMs).toBeGreaterThan(0);
  expect(figures.emptyRunMs).toBeLessThan(figures.full[2]!.meanMs * 256);
});

test("energy: the sum of all packages, over the counter's end, and unknown where it cannot be read", () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-rapl-"));
  const write = (zone: string, file: string, text: string | number) =>
    writeFileSync(join(folder, zone, file), `${text}\n`);
  for (const [zone, name] of [
    ["intel-rapl:0", "package-0"],
    ["intel-rapl:1", "package-1"],
    ["intel-rapl:0:0", "core"],
    ["intel-rapl:2", "psys"],
  ] as const) {
    mkdirSync(join(folder, zone));
    write(zone, "name", name);
    write(zone, "max_energy_range_uj", 10_000_000);
    write(zone, "energy_uj", 9_000_000);
  }
  const meters = nodeMeters(folder);
  expect(meters.joules()).toBe(0);
  write("intel-rapl:0", "energy_uj", 9_500_000);
  write("intel-rapl:2", "energy_uj", 9_900_000);
  expect(meters.joules()).toBeCloseTo(0.5, 9);
  write("intel-rapl:1", "energy_uj", 1_000_000); // began again: 1 up to the end, 1 since
  expect(meters.joules()).toBeCloseTo(2.5, 9);
  rmSync(folder, { recursive: true });
  expect(nodeMeters(folder).joules()).toBeNull();
});

test("the text", () => {
  const stage = (exit: number, ms: number) => ({ exit, batch: 1, meanMs: ms, p50Ms: ms * 0.9, p95Ms: ms * 1.5 });
  const exitTime = (exit: number, ms: number) => ({
    exit,
    meanMs: ms,
    p50Ms: ms * 0.9,
    p95Ms: ms * 1.5,
    mixedMs: ms * 1.1,
  });
  const full = (batch: number, ms: number, joules: number | null) => ({
    batch,
    meanMs: ms,
    p50Ms: ms * 0.98,
    cpuMsPerImage: ms * 1.9,
    joulesPerImage: joules,
  });
  const adaptive = (batch: number, lambda: number, accuracy: number, ms: number, joules: number | null) => ({
    ...full(batch, ms, joules),
    lambda,
    accuracy,
    exitShares: [0.5, 0.5],
    p95Ms: ms * 2,
    p99Ms: ms * 2.2,
    imagesPerSecond: 1000 / ms,
    macSavings: 0.5,
    timeSavings: 1 - ms / 1.2,
    predictedTimeSavings: 0.45,
  });
  const figures = (joules: number | null): BenchmarkFigures => ({
    threads: 2,
    lambda: 0.1,
    costs: { exitMacs: [9.1e6, 97.6e6], fullMacs: 85.8e6 },
    full: [full(1, 1.2, joules), full(32, 0.8, joules)],
    stages: [stage(1, 0.25), stage(2, 1.1)],
    exits: [exitTime(1, 0.22), exitTime(2, 1.15)],
    emptyRunMs: 0.0123,
    adaptive: [
      adaptive(1, 0.01, 0.912, 1.1, joules),
      adaptive(1, 0.1, 0.903, 0.6, joules),
      adaptive(1, 1, 0.845, 0.2, joules),
      adaptive(32, 0.1, 0.903, 0.4, joules),
    ],
    pathOverhead: -0.042,
    stagePathOverhead: 0.125,
    oneFile: { lambda: 0.1, meanMs: 0.59, p50Ms: 0.58 },
    against: [{ name: "classic", ...full(1, 2.4, joules) }],
  });
  expect(benchText(figures(0.0123), true)).toMatchSnapshot();
  const [first, second] = benchText(figures(0.0123), false).split("\n");
  expect(`${first} ${second}`).toBe(
    "One picture at a time: 2.0 times as many pictures per second as the whole network (1,667 against 833), " +
      "90.3% of them answered rightly, at 50% of its MACs.",
  );
  expect(benchText(figures(0.0123), false)).not.toContain("its stage");
  expect(benchText(figures(null), true)).toContain("Joules cannot be read on this machine");
  for (const line of benchText(figures(0.0123), true).split("\n")) expect(line.length).toBeLessThanOrEqual(100);
});
