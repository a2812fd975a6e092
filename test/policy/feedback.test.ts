import { beforeAll, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { type ExitTable, tableSubset } from "../../src/exits/exit-table.ts";
import type { Agent } from "../../src/policy/agent.ts";
import { type DqnOptions, trainAgent } from "../../src/policy/dqn.ts";
import { compareReturns, imageReturns, LEARN_ON_DEFAULTS, learnOn, splitFeedback } from "../../src/policy/feedback.ts";
import { optimalReturn } from "../../src/policy/optimal-return.ts";
import { initialQWeights } from "../../src/policy/q-network.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });
const SIZE = { members: 2, network: "dense", hidden: [32, 32] } as const;
const OPTIONS: Partial<DqnOptions> = {
  ...SIZE,
  steps: 600,
  selectEvery: 200,
  learningRate: 2e-3,
  averaging: 0.98,
  seed: 1,
};
const LAMBDAS = [0.03, 0.1, 0.3];

/** The network has come to be too sure of itself, and its middle exits answer at random. */
function shiftedTable(count: number, seed: number): ExitTable {
  const table = syntheticTable(count, seed);
  const { exits, classes } = table;
  const logits = table.logits.map((value, at) => {
    const exit = Math.floor(at / classes) % exits;
    return exit === 1 || exit === 2 ? 8 * Math.sin(at * 12.9898) : value;
  });
  return { ...table, logits };
}

let agent: Agent;
beforeAll(async () => {
  ({ agent } = await trainAgent(runtime, syntheticTable(1000, 1), syntheticTable(1000, 2), COSTS, OPTIONS));
}, 120_000);

/** Learning on goes on with the whole agent as one network. */
const asOne = ({ hidden, weights }: Agent): Partial<DqnOptions> => ({ members: 1, hidden, start: weights });

const mean = (values: Float64Array): number => values.reduce((a, b) => a + b) / values.length;

test("each image is in exactly one of the three parts, each class in proportion", () => {
  const { labels } = syntheticTable(2000, 5);
  const { learn, select, judge } = splitFeedback(labels, 3);
  expect([learn.length, select.length, judge.length]).toEqual([800, 200, 1000]);
  expect([...learn, ...select, ...judge].sort((a, b) => a - b)).toEqual([...labels.keys()]);
  const ofClass = (part: Uint32Array): number => part.filter((i) => labels[i] === 3).length;
  expect(Math.abs(ofClass(learn) - 0.8 * ofClass(judge))).toBeLessThan(4);
  expect(splitFeedback(labels, 3)).toEqual({ learn, select, judge });
  expect(splitFeedback(labels, 4).judge).not.toEqual(judge);
});

test("under a shift the agent learns on, and is better on images that it has never met", async () => {
  const { agent: adapted, judgement } = await learnOn(runtime, agent, shiftedTable(2000, 3), COSTS, OPTIONS);
  expect(judgement).toMatchObject({ better: true, images: { learn: 800, select: 200, judge: 1000 } });
  expect(judgement.after - judgement.before).toBeGreaterThan(judgement.interval[0]);
  expect(judgement.interval[0]).toBeGreaterThan(0);
  const unseen = shiftedTable(4000, 4);
  const [before, after] = await Promise.all(
    [agent, adapted].map(async (one) => mean(await imageReturns(runtime, one, unseen, COSTS, LAMBDAS))),
  );
  expect(after! - before!).toBeGreaterThan(0.02);
});

test("without a shift, and with little learning, the old agent stays: the very same one", async () => {
  const feedback = syntheticTable(400, 6);
  const { agent: kept, judgement } = await learnOn(runtime, agent, feedback, COSTS, {
    ...OPTIONS,
    steps: 5,
    learningRate: 1e-9,
  });
  expect(judgement.better).toBe(false);
  expect(kept).toBe(agent);
});

test("the verdict rests on the judging images alone", async () => {
  const feedback = shiftedTable(1000, 3);
  const { learn, select, judge } = splitFeedback(feedback.labels, 1);
  const { judgement } = await learnOn(runtime, agent, feedback, COSTS, OPTIONS);
  const { agent: after } = await trainAgent(
    runtime,
    tableSubset(feedback, learn),
    tableSubset(feedback, select),
    COSTS,
    { ...LEARN_ON_DEFAULTS, ...OPTIONS, ...asOne(agent) },
  );
  const held = tableSubset(feedback, judge);
  const returns = (one: Agent) => imageReturns(runtime, one, held, COSTS, judgement.lambdas);
  expect(compareReturns(await returns(agent), await returns(after), 1)).toEqual({
    before: judgement.before,
    after: judgement.after,
    interval: judgement.interval,
    better: judgement.better,
  });
});

test("learning on begins with the agent's weights", async () => {
  const table = syntheticTable(300, 1);
  const still = { ...OPTIONS, ...asOne(agent), steps: 1, selectEvery: 1, learningRate: 1e-12, decay: 0 };
  const { agent: same } = await trainAgent(runtime, table, table, COSTS, still);
  for (const [name, { data }] of agent.weights) {
    const largest = Math.max(...data.map((value, i) => Math.abs(value - same.weights.get(name)!.data[i]!)));
    expect(largest, name).toBeLessThan(1e-6);
  }
  const other = initialQWeights({ inputs: 10, hidden: [4], dueling: true }, 0);
  await expect(trainAgent(runtime, table, table, COSTS, { ...still, start: other })).rejects.toThrow(
    "start with hidden.0.weight of shape",
  );
});

test("whoever watches it learn on is told what optimal stopping reaches on the same images", async () => {
  const feedback = syntheticTable(300, 8);
  const { learn, select } = splitFeedback(feedback.labels, 1);
  const seen: (number | undefined)[] = [];
  const few = { ...OPTIONS, steps: 4, selectEvery: 2, selectionLambdas: 2 };
  await learnOn(runtime, agent, feedback, COSTS, { ...few, onProgress: ({ optimal }) => seen.push(optimal) });
  const [fit, selection] = [learn, select].map((part) => tableSubset(feedback, part)) as [ExitTable, ExitTable];
  const grid = { lambdaRange: agent.lambdaRange, selectionLambdas: 2 };
  const expected = await optimalReturn(runtime, fit, selection, COSTS, grid);
  expect(seen).toEqual([expected, expected]);
});

test("a difference that is not beyond chance is not called better", () => {
  const before = Float64Array.from({ length: 100 }, (_, i) => i % 2);
  const lucky = before.map((value, i) => (i < 2 ? 1 : value)); // one image of 100 turned right
  expect(compareReturns(before, lucky, 1)).toMatchObject({ better: false, before: 0.5, after: 0.51 });
  expect(
    compareReturns(
      before,
      before.map((value) => value + 0.01),
      1,
    ).better,
  ).toBe(true);
});

test("tables of another network and a handful of images are refused", async () => {
  const learning = (table: ExitTable) => learnOn(runtime, agent, table, COSTS, OPTIONS);
  await expect(learning(syntheticTable(199, 1))).rejects.toThrow("at least 200 images expected, found 199");
  await expect(learning(syntheticTable(300, 1, { exits: 3 }))).rejects.toThrow(UserError);
  await expect(learning(syntheticTable(300, 1, { classes: 5 }))).rejects.toThrow(
    "4 exits and 10 classes expected, found 4 and 5",
  );
});
