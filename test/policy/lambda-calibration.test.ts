import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { answersOf } from "../../src/exits/answers.ts";
import { correctAnswers } from "../../src/exits/environment.ts";
import { lambdaGrid } from "../../src/exits/lambda-grid.ts";
import { decide } from "../../src/policy/agent.ts";
import { trainAgent } from "../../src/policy/dqn.ts";
import {
  accuracyGivenUp,
  keepsPromise,
  type LambdaPoint,
  lambdaForAccuracy,
  lambdaForBudget,
  lambdaForSavings,
  lambdaPoint,
  sweepLambda,
} from "../../src/policy/lambda-calibration.ts";
import { seededRandom, uniform } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const point = (lambda: number, accuracy: number, meanMacs: number): LambdaPoint => ({
  lambda,
  accuracy,
  meanMacs,
  savings: 1 - meanMacs / 100e6,
  exitShares: [],
});
const POINTS = [point(0.01, 0.9, 90e6), point(0.1, 0.898, 70e6), point(0.2, 0.899, 71e6), point(1, 0.7, 30e6)];

test("a grid in equal ratios, ends exact", () => {
  const grid = lambdaGrid({ from: 0.01, to: 1 }, 3);
  expect(grid[0]).toBe(0.01);
  expect(grid[1]).toBeCloseTo(0.1, 12);
  expect(grid[2]).toBe(1);
  expect(lambdaGrid({ from: 0.3, to: 0.3 }, 9)).toEqual([0.3]);
});

test("the figures of one lambda by hand", () => {
  const costs = { exitMacs: [10, 30], fullMacs: 25 };
  const correct = Uint8Array.of(1, 1, 0, 1, 0, 0, 1, 0);
  expect(lambdaPoint(0.2, Uint8Array.of(0, 1, 0, 1), correct, costs)).toEqual({
    lambda: 0.2,
    accuracy: 0.5,
    meanMacs: 20,
    savings: 1 - 20 / 25,
    exitShares: [0.5, 0.5],
  });
});

test("a budget takes the smallest lambda within it", () => {
  expect(lambdaForBudget(POINTS, 95e6)).toBe(0.01);
  expect(lambdaForBudget(POINTS, 70e6)).toBe(0.1);
  expect(lambdaForBudget(POINTS, 30e6)).toBe(1);
  expect(() => lambdaForBudget(POINTS, 29e6)).toThrow(UserError);
  expect(() => lambdaForBudget(POINTS, 29e6)).toThrow(
    "budget: at least 30.00 million MACs expected (the cheapest that this policy reaches), found 29.00 million MACs;",
  );
});

test("savings take the smallest lambda that reaches them", () => {
  expect(lambdaForSavings(POINTS, 0.3)).toBe(0.1);
  expect(() => lambdaForSavings(POINTS, 0.9)).toThrow(
    "savings: at most 70.00% expected (the most that this policy reaches), found 90.00%;",
  );
});

test("an accuracy takes the largest lambda that keeps it", () => {
  expect(lambdaForAccuracy(POINTS, 0.899)).toBe(0.2);
  expect(lambdaForAccuracy(POINTS, 0.5)).toBe(1);
  expect(() => lambdaForAccuracy(POINTS, 0.95)).toThrow(
    "accuracy: at most 90.00% expected (the most that this policy reaches), found 95.00%;",
  );
});

describe("accuracy given up", () => {
  test("by hand: trapezoids from lambda 0 with everything at the last exit", () => {
    const costs = { exitMacs: [20e6, 100e6], fullMacs: 90e6 };
    const [first, second] = accuracyGivenUp([point(0.01, 0, 80e6), point(0.03, 0, 50e6)], costs);
    expect(first).toBeCloseTo(0.005 * 0.2, 12);
    expect(second).toBeCloseTo(0.005 * 0.2 + 0.02 * 0.3, 12);
  });

  test("is what a policy gives up that knows every image's chances and does the best with them", () => {
    const random = seededRandom(7);
    const costs = { exitMacs: [10, 35, 60, 100], fullMacs: 95 };
    const chances = Array.from({ length: 3000 }, () => {
      const first = uniform(random);
      return costs.exitMacs.map((_, k) => 1 - (1 - first) * (1 - uniform(random) * 0.5) ** k); // some later ones are worse
    });
    const lambdas = lambdaGrid({ from: 0.0005, to: 1 }, 101);
    const accuracyOf = (chosen: readonly number[]) =>
      chosen.reduce((sum, exit, i) => sum + chances[i]![exit]!, 0) / chosen.length;
    const bestAt = (lambda: number) =>
      chances.map((chance) => {
        const worth = chance.map((one, k) => one - (lambda * costs.exitMacs[k]!) / 100);
        return worth.indexOf(Math.max(...worth));
      });
    const points = lambdas.map((lambda) => {
      const chosen = bestAt(lambda);
      const meanMacs = chosen.reduce((sum, exit) => sum + costs.exitMacs[exit]!, 0) / chosen.length;
      return point(lambda, accuracyOf(chosen), meanMacs);
    });
    const most = accuracyOf(bestAt(0));
    const givenUp = accuracyGivenUp(points, costs);
    expect(givenUp.at(-1)).toBeGreaterThan(0.1); // else the test would show little
    for (const [i, one] of points.entries()) expect(givenUp[i]).toBeCloseTo(most - one.accuracy, 2.5);
  });
});

test("a lambda keeps its promise if costs, answers and the best fixed exit say so, all three", () => {
  const costs = { exitMacs: [10e6, 100e6], fullMacs: 95e6 };
  const accuracies = [0.5, 0.9];
  // given up by their costs: 0.0005, 0.002, 0.0045
  const points = [point(0.01, 0.9, 90e6), point(0.02, 0.9, 80e6), point(0.03, 0.9, 70e6)];
  expect(keepsPromise(points, costs, accuracies)).toEqual([true, true, false]);
  const [first, second] = points as [LambdaPoint, LambdaPoint];
  expect(keepsPromise([first, { ...second, accuracy: 0.8969 }], costs, accuracies)).toEqual([true, false]); // answers
  expect(keepsPromise([first, { ...second, accuracy: 0.8971 }], costs, accuracies)).toEqual([true, true]);
  // 0.0009 less right for 0.001 less paid is worth it, 0.0011 is not
  const dear = { exitMacs: [10e6, 100e6], fullMacs: 100e6 };
  expect(keepsPromise([{ ...first, accuracy: 0.8991 }], dear, accuracies)).toEqual([true]);
  expect(keepsPromise([{ ...first, accuracy: 0.8989 }], dear, accuracies)).toEqual([false]);
});

test("a sweep holds what deciding at each of its lambdas gives, cheaper as lambda rises", async () => {
  const runtime = createNodeRuntime({ threads: 1 });
  const [fit, selection] = [syntheticTable(1000, 1), syntheticTable(1000, 2)];
  const { agent } = await trainAgent(runtime, fit, selection, COSTS, { steps: 300, selectEvery: 150 });
  const answers = answersOf(selection, agent);
  const points = await sweepLambda(runtime, agent, answers, COSTS, 5);
  expect(points.map(({ lambda }) => lambda)).toEqual(lambdaGrid(agent.lambdaRange, 5));
  for (const one of points) {
    const chosen = await decide(runtime, agent, answers, COSTS, one.lambda);
    expect(lambdaPoint(one.lambda, chosen, correctAnswers(answers), COSTS)).toEqual(one);
  }
  expect(points.at(-1)!.meanMacs).toBeLessThan(points[0]!.meanMacs);
  const lambda = lambdaForBudget(points, points[2]!.meanMacs);
  expect(points.find((one) => one.lambda === lambda)!.meanMacs).toBeLessThanOrEqual(points[2]!.meanMacs);
});
