import { expect, test } from "vitest";
import { answersOf, fitAnswers } from "../../src/exits/answers.ts";
import { correctAnswers, returnOf } from "../../src/exits/environment.ts";
import { prepareEpisodes } from "../../src/exits/episodes.ts";
import { costShares, stateWidth } from "../../src/exits/observation.ts";
import { type Agent, decide, qValues } from "../../src/policy/agent.ts";
import { decidingAgent, thresholdAgent } from "../../src/policy/decider.ts";
import { exitUnitWeights, initialExitUnits, learnableWeights } from "../../src/policy/exit-units.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { dialExits, thresholdsAt, tuneThresholdDial } from "../../src/yardsticks/threshold-dial.ts";
import { SCORES } from "../../src/yardsticks/thresholds.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });
const RANGE = { from: 0.001, to: 0.5 };
const table = syntheticTable(400, 1);
const rule = fitAnswers(table);
const shares = costShares(COSTS);
const units = initialExitUnits(shares, RANGE, 8, 1);
const agent: Agent = {
  ...rule,
  weights: exitUnitWeights(units, 4, 10),
  hidden: [units.length],
  dueling: false,
  exits: 4,
  classes: 10,
  lambdaRange: RANGE,
};

test("before anything is learned, going on is worth as much as leaving but for its exact price", async () => {
  const lambdas = [0.001, 0.0123, 0.1, 0.5];
  const q = await qValues(runtime, agent, answersOf(table, rule), COSTS, lambdas);
  for (const [l, lambda] of lambdas.entries())
    for (const exit of [0, 1, 2]) {
      const price = lambda * (shares[exit + 1]! - shares[exit]!);
      const [onward, leaving] = q[l]!.subarray(2 * (4 * 7 + exit), 2 * (4 * 7 + exit) + 2);
      expect(leaving! - onward!).toBeGreaterThan(0.999 * price - 1e-6); // straight pieces lie above a convex price
      expect(leaving! - onward!).toBeLessThan(1.045 * price + 1e-6);
      expect(leaving).toBeGreaterThanOrEqual(0.5);
    }
});

test("gates and prices are never learned; margins, the dial and levels are", () => {
  const mask = learnableWeights(agent.weights, 4, 10);
  const inputs = stateWidth(4, 10) + 1;
  const first = mask.get("hidden.0.weight")!.data;
  expect(first.reduce((a, b) => a + b)).toBe(2 * 4 * 8); // margin and dial of 8 units at 4 exits
  for (let u = 0; u < units.length; u++)
    expect([...first.subarray(u * inputs, u * inputs + 5)]).toEqual([0, 0, 0, 0, 0]);
  const learned = mask.get("actions.weight")!.data;
  units.forEach(({ margin, dial }, u) => {
    expect(learned[u]).toBe(margin === undefined && dial !== 0 ? 0 : 1);
  });
});

test.each(SCORES)("thresholds on %s decide the same as a Q-network", async (score) => {
  const answers = answersOf(table, rule);
  const episodes = await prepareEpisodes(runtime, answers, COSTS);
  const dial = tuneThresholdDial(episodes, score, RANGE);
  const decider = `threshold:${score}` as const;
  const deciding = decidingAgent({ agent, thresholds: dial, decider });
  for (const lambda of [0.001, 0.004, 0.03, 0.2, 0.5]) {
    const chosen = await decide(runtime, deciding, answers, COSTS, lambda);
    expect([...chosen]).toEqual([...dialExits(episodes, dial, lambda)]);
  }
  const used = new Set(dialExits(episodes, dial, 0.1));
  expect(used.size).toBeGreaterThan(1);
});

test("tuned on the images, thresholds are never worth less there than the best fixed exit", async () => {
  const episodes = await prepareEpisodes(runtime, answersOf(table, rule), COSTS);
  const dial = tuneThresholdDial(episodes, "margin", RANGE);
  const right = correctAnswers(answersOf(table, rule));
  for (const lambda of dial.lambdas) {
    const fixed = [0, 1, 2, 3].map((exit) => returnOf(new Uint8Array(400).fill(exit), right, shares, lambda));
    expect(returnOf(dialExits(episodes, dial, lambda), right, shares, lambda)).toBeGreaterThanOrEqual(
      Math.max(...fixed) - 1e-9,
    );
  }
});

test("between two lambdas thresholds go straight over log lambda, beyond them they stay", () => {
  const dial = {
    score: "margin",
    lambdas: [0.01, 0.1],
    thresholds: [
      [0.8, 0.6],
      [0.4, 0.2],
    ],
  } as const;
  expect(thresholdsAt(dial, 0.01 * Math.sqrt(10)).thresholds.map((t) => Number(t.toFixed(9)))).toEqual([0.6, 0.4]);
  expect(thresholdsAt(dial, 0.001).thresholds).toEqual([0.8, 0.6]);
  expect(thresholdsAt(dial, 1).thresholds).toEqual([0.4, 0.2]);
});

test("a policy without thresholds, or without a decider, is decided by its agent", () => {
  expect(decidingAgent({ agent })).toBe(agent);
  expect(decidingAgent({ agent, decider: "dqn" })).toBe(agent);
  const thresholds = { score: "margin", lambdas: [0.1], thresholds: [[0.5, 0.5, 0.5]] } as const;
  expect(decidingAgent({ agent, thresholds, decider: "threshold:margin" })).toEqual(thresholdAgent(agent, thresholds));
});
