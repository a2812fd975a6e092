import { expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { answersOf } from "../../src/exits/answers.ts";
import { CONTINUE, EXIT } from "../../src/exits/environment.ts";
import { prepareEpisodes } from "../../src/exits/episodes.ts";
import { tableSubset } from "../../src/exits/exit-table.ts";
import { input } from "../../src/graph/tensor.ts";
import { epsilonAt, epsilonGreedy } from "../../src/policy/acting.ts";
import { type Agent, decide, qValues } from "../../src/policy/agent.ts";
import { type DqnOptions, tdTarget, trainAgent } from "../../src/policy/dqn.ts";
import { dqnOptions } from "../../src/policy/dqn-options.ts";
import { seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";
import { exactStates, TINY_COSTS, tinyTable } from "./tiny-problem.ts";

const runtime = createNodeRuntime({ threads: 1 });

/** Four next states with the Q-values of two networks; `exit`, in column 1, is terminal. */
async function targets(double: boolean, nextMayContinue: number[]): Promise<number[]> {
  const pair = (name: string) => input(name, [4, 2]);
  const y = tdTarget({
    reward: pair("reward"),
    notTerminal: pair("notTerminal"),
    nextMayContinue: input("mask", [4, 1]),
    nextOnline: pair("online"),
    nextTarget: pair("target"),
    double,
  });
  const program = await Program.compile(runtime, { outputs: { y } });
  const { y: values } = await program.run({
    reward: Float32Array.of(-0.1, 1, -0.1, 0, -0.1, 0, -0.1, 1),
    notTerminal: Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0),
    mask: Float32Array.from(nextMayContinue),
    online: Float32Array.of(0, 9, 0.9, 0.5, 0.2, 0.5, 0.9, 0.1),
    target: Float32Array.of(0, 0.7, 0.3, 0.6, 0.8, 0.4, 0.9, 0.2),
  });
  await program.close();
  return [...values!].map((value) => Number(value.toFixed(6)));
}

test("the target of a terminal transition is its reward; the others add the next state's value", async () => {
  // column 1 is `exit`, always terminal; column 0 is -0.1 + Q_target at the online network's choice
  expect(await targets(true, [1, 1, 1, 1])).toEqual([0.6, 1, 0.2, 0, 0.3, 0, 0.8, 1]);
});

test("the 2015 paper lets the target network choose for itself, which is never less", async () => {
  expect(await targets(false, [1, 1, 1, 1])).toEqual([0.6, 1, 0.5, 0, 0.7, 0, 0.8, 1]);
});

test("continue is masked in the target where the next exit is the last", async () => {
  expect(await targets(true, [0, 0, 0, 0])).toEqual([0.6, 1, 0.5, 0, 0.3, 0, 0.1, 1]);
  expect(await targets(false, [0, 0, 0, 0])).toEqual([0.6, 1, 0.5, 0, 0.3, 0, 0.1, 1]);
});

test("acting: masked, greedy, and random with probability epsilon", () => {
  const q = Float32Array.of(1, 0, 0, 1, 0.5, 0.5);
  const random = seededRandom(1);
  expect([0, 1, 2].map((m) => epsilonGreedy(q, m, 1, 0, random))).toEqual([CONTINUE, EXIT, EXIT]);
  expect(Array.from({ length: 50 }, () => epsilonGreedy(q, 0, 0, 1, random))).toEqual(Array(50).fill(EXIT));
  const draws = Array.from({ length: 4000 }, () => epsilonGreedy(q, 0, 1, 0.4, random));
  const exits = draws.filter((action) => action === EXIT).length;
  expect(Math.abs(exits - 800)).toBeLessThan(105); // 0.4 / 2 of 4000, 4 standard deviations
});

test("epsilon falls linearly and then stays", () => {
  const schedule = { start: 1, end: 0.2, fraction: 0.5 };
  expect([0, 0.25, 0.5, 1].map((progress) => epsilonAt(schedule, progress))).toEqual([1, 0.6, 0.2, 0.2]);
  expect(epsilonAt({ start: 1, end: 0, fraction: 0 }, 0)).toBe(0);
});

/** Acts at random throughout, so that no state stays rare: the optimum is learned off-policy. */
const EXACT: Partial<DqnOptions> = {
  members: 1,
  network: "dense",
  hidden: [64, 64],
  dueling: true,
  double: true,
  returnSteps: 1,
  lambdaRange: { from: 0.01, to: 1 },
  updates: "sampled",
  decay: 0,
  steps: 2000,
  selectEvery: 2000,
  warmup: 20_000,
  learningRate: 1e-2,
  averaging: 0.995,
  epsilon: { start: 1, end: 1, fraction: 1 },
  seed: 1,
};

test.each([
  ["sampled, double, dueling", EXACT],
  ["the mean of two members", { ...EXACT, members: 2 }],
  ["played on to the end", { ...EXACT, returnSteps: 3 }],
  [
    "all actions, single, plain, hard copies",
    {
      ...EXACT,
      updates: "allActions",
      double: false,
      dueling: false,
      target: { kind: "copy", every: 50 },
    },
  ],
] as [string, Partial<DqnOptions>][])("reaches the exact Q-values of a tiny problem: %s", async (_, options) => {
  const table = tinyTable();
  const { agent } = await trainAgent(runtime, table, table, TINY_COSTS, options);
  const lambdas = [0.01, 0.03, 0.1, 0.3, 1];
  const values = (await Promise.all(lambdas.map((lambda) => exactAndFound(agent, lambda)))).flat();
  const errors = values.map(({ error }) => error);
  expect(errors).toHaveLength(5 * (2 * 3 + 2 * 5 + 7)); // lambdas * (both actions at exits 0 and 1, one at the last)
  // one network for all lambdas, trained for two seconds: 0.1 holds for every state and action, the mean is far lower
  expect(Math.max(...errors)).toBeLessThan(0.1);
  expect(errors.reduce((a, b) => a + b) / errors.length).toBeLessThan(0.03);
  // and the better action is chosen in every state where it is worth at least 0.1 more
  const decisions = lambdas.flatMap((_, l) => {
    const ofLambda = values.slice((l * values.length) / lambdas.length, ((l + 1) * values.length) / lambdas.length);
    const pairs = ofLambda.slice(7); // the states of the last exit come first, and have one action
    return Array.from({ length: pairs.length / 2 }, (_, i) => [pairs[2 * i]!, pairs[2 * i + 1]!] as const);
  });
  const clear = decisions.filter(([exit, onward]) => Math.abs(exit.exact - onward.exact) >= 0.1);
  expect(clear.length).toBeGreaterThan(20); // of 40
  for (const [exit, onward] of clear) expect(exit.found > onward.found).toBe(exit.exact > onward.exact);
});

/** The agent's Q-values of the tiny problem beside the exact ones, for every state and allowed action. */
async function exactAndFound(agent: Agent, lambda: number) {
  const table = tinyTable();
  const episodes = await prepareEpisodes(runtime, answersOf(table, agent), TINY_COSTS);
  const [q] = await qValues(runtime, agent, answersOf(table, agent), TINY_COSTS, [lambda]);
  return exactStates(episodes, lambda).flatMap(({ exit, image, qContinue, qExit }) => {
    const at = (image * 3 + exit) * 2;
    const exiting = { exact: qExit, found: q![at + EXIT]!, error: Math.abs(q![at + EXIT]! - qExit) };
    if (exit === 2) return [exiting];
    return [exiting, { exact: qContinue, found: q![at]!, error: Math.abs(q![at + CONTINUE]! - qContinue) }];
  });
}

test("one lambda alone: exact to 0.06, and the same decisions as the optimum", async () => {
  const table = tinyTable();
  const options: Partial<DqnOptions> = { ...EXACT, lambdaRange: { from: 0.3, to: 0.3 } };
  const { agent } = await trainAgent(runtime, table, table, TINY_COSTS, options);
  for (const { error } of await exactAndFound(agent, 0.3)) expect(error).toBeLessThan(0.06);
  const chosen = await decide(runtime, agent, answersOf(table, agent), TINY_COSTS, 0.3);
  // easy: at once (1 against 1 - 0.075); second kind: on, and out at exit 2 if it agrees; third: to the end; hopeless: at once
  const expected = [
    ...Array(40).fill(0),
    ...Array(20).fill(2),
    ...Array(10).fill(1),
    ...Array(10).fill(2),
    ...Array(20).fill(2),
    ...Array(20).fill(0),
  ];
  expect([...chosen]).toEqual(expected);
  await expect(decide(runtime, agent, answersOf(table, agent), TINY_COSTS, 0.2)).rejects.toThrow(
    "lambda: 0.3 to 0.3 expected (what the policy was trained for), found 0.2",
  );
});

/** Counts the gradient steps that ONNX Runtime really runs. */
function countingRuntime(): { runtime: Runtime; gradientSteps: () => number } {
  let steps = 0;
  const counting: Runtime = {
    ...runtime,
    createSession: async (model, options) => {
      const session = await runtime.createSession(model, options);
      const run = session.run.bind(session);
      session.run = ((...given: Parameters<typeof run>) => {
        if ("rate" in given[0]) steps++;
        return run(...given);
      }) as typeof session.run;
      return session;
    },
  };
  return { runtime: counting, gradientSteps: () => steps };
}

const SHORT: Partial<DqnOptions> = { steps: 60, selectEvery: 25, batch: 32, warmup: 100, seed: 7 };

test("runs exactly the gradient steps that were asked for, and reports on the way", async () => {
  const { runtime: counted, gradientSteps } = countingRuntime();
  const seen: number[] = [];
  const table = syntheticTable(300, 1);
  const result = await trainAgent(counted, table, syntheticTable(200, 2), COSTS, {
    ...SHORT,
    onProgress: ({ step, best, return: now, exitShares, loss, epsilon }) => {
      seen.push(step);
      expect(best).toBeGreaterThanOrEqual(now);
      expect(exitShares.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
      expect(loss).toBeGreaterThan(0);
      expect(epsilon).toBeGreaterThanOrEqual(0.1);
    },
  });
  expect(gradientSteps()).toBe(60);
  expect(result.gradientSteps).toBe(60);
  expect(seen).toEqual([25, 50, 60]);
  expect(seen).toContain(result.selectedStep);
});

test("same seed, same bytes; another seed, other ones", async () => {
  const [fit, selection] = [syntheticTable(300, 1), syntheticTable(200, 2)];
  const weights = async (seed: number) => {
    const { agent } = await trainAgent(runtime, fit, selection, COSTS, { ...SHORT, seed });
    return [...agent.weights].map(([name, { data }]) => [name, [...data]]);
  };
  const first = await weights(7);
  expect(await weights(7)).toEqual(first);
  expect(await weights(8)).not.toEqual(first);
});

test("members learn from batches of their own, and their mean is the agent", async () => {
  const table = syntheticTable(300, 1);
  const { agent } = await trainAgent(runtime, table, table, COSTS, {
    ...SHORT,
    network: "dense",
    hidden: [6, 5],
    members: 3,
  });
  expect(agent.hidden).toEqual([18, 15]);
  const { shape, data } = agent.weights.get("hidden.1.weight")!;
  expect(shape).toEqual([15, 18]);
  const block = (row: number, column: number): number[] =>
    [...data].filter((_, at) => Math.floor(at / 18 / 5) === row && Math.floor((at % 18) / 6) === column);
  for (const row of [0, 1, 2])
    for (const column of [0, 1, 2])
      if (row !== column) expect(block(row, column)).toEqual(Array(30).fill(0));
      else expect(block(row, column)).not.toContain(0);
  expect(block(0, 0)).not.toEqual(block(1, 1));
});

test("what is selected depends on the selection half, what is learned does not", async () => {
  const fit = syntheticTable(300, 1);
  const losses = async (selection: number) => {
    const seen: number[] = [];
    await trainAgent(runtime, fit, syntheticTable(100, selection), COSTS, {
      ...SHORT,
      onProgress: ({ loss }) => seen.push(loss),
    });
    return seen;
  };
  expect(await losses(2)).toEqual(await losses(3));
});

test("an abort ends learning with its reason", async () => {
  const abort = new AbortController();
  const table = syntheticTable(100, 1);
  const learning = trainAgent(runtime, table, table, COSTS, {
    ...SHORT,
    signal: abort.signal,
    onProgress: () => abort.abort(new Error("enough")),
  });
  await expect(learning).rejects.toThrow("enough");
});

test("options out of range and tables that do not fit are refused", async () => {
  const wrong: [Partial<DqnOptions>, string][] = [
    [{ lambdaRange: { from: 0, to: 1 } }, 'dqn: lambdaRange: 0 < from <= to expected, found {"from":0,"to":1}'],
    [{ steps: 0 }, "dqn: steps: a whole number of at least 1 expected, found 0"],
    [{ epsilon: { start: 2, end: 0, fraction: 1 } }, "dqn: epsilon: start, end and fraction in 0..1 expected"],
    [{ target: { kind: "polyak", tau: 0 } }, "dqn: target: every of at least 1, or tau in (0, 1] expected"],
    [{ hidden: [8, 8] }, "dqn: network: one hidden width and no duel with exitUnits expected"],
    [{ returnSteps: 0 }, "dqn: returnSteps: a whole number of at least 1 expected, found 0"],
    [{ hidden: [0] }, "dqn: hidden: at most 16 whole numbers of at least 1 expected, found [0]"],
  ];
  for (const [options, message] of wrong) {
    expect(() => dqnOptions(options)).toThrow(UserError);
    expect(() => dqnOptions(options)).toThrow(message);
  }
  const table = syntheticTable(10, 1);
  await expect(trainAgent(runtime, table, tableSubset(table, new Uint32Array(0)), COSTS)).rejects.toThrow(
    "found [10, 4, 10] and [0, 4, 10]",
  );
});
