/** What few pictures teach, and how little is taken for sure: the recommended lambda on new pictures of the same kind. */
import { describe, expect, test } from "vitest";
import { answersOf, fitAnswers, plainRule } from "../../src/exits/answers.ts";
import { correctAnswers, exitAccuracies } from "../../src/exits/environment.ts";
import { prepareEpisodes } from "../../src/exits/episodes.ts";
import type { ExitTable } from "../../src/exits/exit-table.ts";
import { bestJudge, expectedRightness } from "../../src/exits/expected-rightness.ts";
import { decide } from "../../src/policy/agent.ts";
import { decidingAgent } from "../../src/policy/decider.ts";
import { expectedLoss, isSurelySmall, lambdaPoint } from "../../src/policy/lambda-calibration.ts";
import { learnOnTable } from "../../src/policy/learn.ts";
import type { LearnedPolicy } from "../../src/policy/learned-policy.ts";
import { integer, seededRandom, uniform } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { beginsAtExit, dialExits, tuneThresholdDial } from "../../src/yardsticks/threshold-dial.ts";
import { thresholdExits, tuneSharedThreshold } from "../../src/yardsticks/thresholds.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });

/** Exits whose confidence says nothing of whether they are right; the third is right for 93%, the last repeats it with mistakes of its own. */
function misleadingTable(count: number, seed: number): ExitTable {
  const random = seededRandom(seed, 0x3151);
  const [exits, classes] = [4, 5];
  const right = [0.7, 0.8, 0.93, 0.5];
  const logits = new Float32Array(count * exits * classes);
  const labels = Uint16Array.from({ length: count }, () => integer(random, 0, classes - 1));
  labels.forEach((label, i) => {
    let answer = label;
    for (let k = 0; k < exits; k++) {
      if (k < 3 || uniform(random) > 0.9)
        answer = uniform(random) < right[k]! ? label : (label + integer(random, 1, classes - 1)) % classes;
      logits[(i * exits + k) * classes + answer] = 1 + 4 * uniform(random);
    }
  });
  return { logits, labels, count, exits, classes };
}

async function onPictures(policy: LearnedPolicy, table: ExitTable) {
  const deciding = decidingAgent(policy);
  const answers = answersOf(table, deciding);
  const chosen = await decide(runtime, deciding, answers, COSTS, policy.lambda);
  return { ...lambdaPoint(policy.lambda, chosen, correctAnswers(answers), COSTS), fixed: exitAccuracies(answers) };
}

const given = { costs: COSTS, costUnit: "MACs", splitSeed: 1, runtime };

describe("60 pictures, of which the third exit knows 93%", () => {
  test.each([1, 2, 3])(
    "what is recommended is no worse than the best exit, on them and on new ones (%i)",
    async (seed) => {
      const table = misleadingTable(60, seed);
      const policy = await learnOnTable({ ...given, table, options: { steps: 300 } });
      const known = await onPictures(policy, table);
      expect(known.accuracy).toBeGreaterThanOrEqual(Math.max(...known.fixed) - 0.003 - 1e-9);
      const { accuracy, fixed } = await onPictures(policy, misleadingTable(4000, 100 + seed));
      expect(fixed[2]).toBeGreaterThan(0.91);
      expect(accuracy).toBeGreaterThan(fixed[2]! - 0.015);
      expect(policy.choice!.warnings[0]).toContain("few validation images (60)");
    },
  );
});

describe("the chance of being right", () => {
  test("is what the exit says that tells the labels best; never above that exit's own", () => {
    const table = misleadingTable(2000, 7);
    const answers = answersOf(table, plainRule(4));
    expect(bestJudge(answers)).toBe(2);
    const expected = expectedRightness(answers); // [2000, 4]
    for (let i = 0; i < 20; i++) {
      const row = expected.subarray(4 * i, 4 * i + 4);
      const said = answers.logProbabilities.subarray((4 * i + 2) * 5, (4 * i + 3) * 5);
      expect(row[2]).toBeCloseTo(Math.exp(Math.max(...said)), 6);
      expect(Math.max(...row)).toBe(row[2]);
    }
  });

  test("has the mean of the answers that are right, and a smaller variance of what leaving early loses", () => {
    const table = syntheticTable(4000, 3);
    const answers = answersOf(table, fitAnswers(table));
    const [expected, right] = [expectedRightness(answers), correctAnswers(answers)];
    const accuracies = exitAccuracies(answers);
    for (const k of [1, 2, 3]) {
      const mean = expected.filter((_, at) => at % 4 === k).reduce((sum, one) => sum + one, 0) / 4000;
      expect(Math.abs(mean - accuracies[k]!)).toBeLessThan(0.03);
    }
    const always = new Uint8Array(4000).fill(1);
    const byChance = expectedLoss(always, expected);
    const byAnswers = expectedLoss(always, Float32Array.from(right));
    expect(byChance.error).toBeLessThan(0.8 * byAnswers.error);
  });

  test("a loss by hand: the best exit's chance less that of the exit taken, one standard error on top", () => {
    const expected = Float32Array.of(0.5, 0.9, 0.7, 0.7, 0.2, 0.6, 0.9, 0.8);
    const { mean, error } = expectedLoss(Uint8Array.of(0, 1, 1, 0), expected);
    expect(mean).toBeCloseTo(0.1, 6); // 0.4, 0, 0, 0
    expect(error).toBeCloseTo(0.1, 6); // deviation 0.2, four images
    expect(isSurelySmall({ mean: 0.002, error: 0.0009 })).toBe(true);
    expect(isSurelySmall({ mean: 0.002, error: 0.0011 })).toBe(false);
  });
});

test("where next to nothing is saved, a larger lambda that loses hardly more is named", async () => {
  const policy = await learnOnTable({ ...given, table: syntheticTable(100, 1), options: { steps: 30 } });
  const at = policy.calibration.find(({ lambda }) => lambda === policy.lambda)!;
  expect(at.savings).toBeLessThan(0.05);
  const told = policy
    .choice!.warnings.map((one) => /lambda ([\d.]+) saves ([\d.]+)% and gets ([\d.]+)%/.exec(one))
    .find(Boolean);
  const [lambda, saved, right] = told!.slice(1).map(Number) as [number, number, number];
  expect(saved).toBeGreaterThan(20);
  expect(right / 100).toBeGreaterThanOrEqual(at.accuracy - 0.0101);
  const near = policy.calibration.reduce((a, b) => (Math.abs(b.lambda - lambda) < Math.abs(a.lambda - lambda) ? b : a));
  expect(near.savings).toBeCloseTo(saved / 100, 1);
});

test("a shared threshold's dial begins at the exit that is right most often, and is the tuned rule from half way on", async () => {
  const episodes = await prepareEpisodes(runtime, answersOf(misleadingTable(60, 1), plainRule(4)), COSTS);
  const dial = tuneThresholdDial(episodes, "margin", { from: 0.001, to: 1 }, "shared");
  expect(new Set(dialExits(episodes, dial, 0.001))).toEqual(new Set([2]));
  dial.lambdas.forEach((lambda, l) => {
    if (l < 7) return;
    const tuned = tuneSharedThreshold(episodes, "margin", lambda);
    expect(dialExits(episodes, dial, lambda)).toEqual(thresholdExits(episodes, tuned));
  });
});

test("a dial that begins with a fixed exit leaves there at its smallest lambda, and is what it was from the next one on", async () => {
  const table = syntheticTable(100, 3);
  const episodes = await prepareEpisodes(runtime, answersOf(table, plainRule(4)), COSTS);
  for (const score of ["margin", "entropy"] as const) {
    const dial = tuneThresholdDial(episodes, score, { from: 0.001, to: 1 });
    for (const exit of [0, 2, 3]) {
      const fixed = beginsAtExit(dial, exit);
      expect(new Set(dialExits(episodes, fixed, 0.001))).toEqual(new Set([exit]));
      expect(dialExits(episodes, fixed, 0.01)).toEqual(dialExits(episodes, dial, 0.01));
    }
  }
});
