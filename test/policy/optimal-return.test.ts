import { expect, test } from "vitest";
import { evaluateYardsticks } from "../../src/evaluation/comparison.ts";
import { answersOf, fitAnswers } from "../../src/exits/answers.ts";
import { trainAgent } from "../../src/policy/dqn.ts";
import { learnOn } from "../../src/policy/feedback.ts";
import { optimalReturn } from "../../src/policy/optimal-return.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { prepareYardsticks } from "../../src/yardsticks/yardstick.ts";
import { optimalStopping } from "../../src/yardsticks/yardsticks.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });

test("is the mean return of the yardstick of that name", async () => {
  const [fit, selection] = [syntheticTable(120, 1), syntheticTable(120, 2)];
  const rule = fitAnswers(fit);
  const grid = { lambdaRange: { from: 0.1, to: 0.4 }, selectionLambdas: 2 };
  const problem = await prepareYardsticks(runtime, answersOf(fit, rule), COSTS);
  const returns = await Promise.all(
    [0.1, 0.4].map(async (lambda) => {
      const [reached] = await evaluateYardsticks(
        [optimalStopping(problem, lambda)],
        answersOf(selection, rule),
        COSTS,
        lambda,
      );
      return reached!.return;
    }),
  );
  expect(await optimalReturn(runtime, fit, selection, COSTS, grid)).toBeCloseTo((returns[0]! + returns[1]!) / 2, 10);
});

test("whoever watches the agent learn on is told it at every look", async () => {
  const seen: (number | undefined)[] = [];
  const table = syntheticTable(220, 3);
  const options = { steps: 6, selectEvery: 3, warmup: 50, parallelEpisodes: 16, batch: 16, selectionLambdas: 2 };
  const { agent } = await trainAgent(runtime, table, null, COSTS, options);
  await learnOn(runtime, agent, table, COSTS, { ...options, onProgress: ({ optimal }) => seen.push(optimal) });
  expect(seen).toHaveLength(2);
  expect(seen[0]).toBeGreaterThan(0.3);
  expect(seen[1]).toBe(seen[0]);
});
