import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { type AnswerTable, answersOf, fitAnswers, plainRule } from "../../src/exits/answers.ts";
import { correctAnswers, returnOf } from "../../src/exits/environment.ts";
import { prepareEpisodes } from "../../src/exits/episodes.ts";
import { costShares } from "../../src/exits/observation.ts";
import { decide } from "../../src/policy/agent.ts";
import { trainAgent } from "../../src/policy/dqn.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { patienceExits } from "../../src/yardsticks/patience.ts";
import { prepareYardsticks, type YardstickProblem } from "../../src/yardsticks/yardstick.ts";
import {
  fixedExit,
  optimalStopping,
  oracleExits,
  randomExit,
  YARDSTICK_NAMES,
  yardsticksFor,
} from "../../src/yardsticks/yardsticks.ts";
import { COSTS, syntheticTable } from "../policy/synthetic.ts";
import { exactStates, TINY_COSTS, tinyTable } from "../policy/tiny-problem.ts";

const runtime = createNodeRuntime({ threads: 1 });
const SHARES = costShares(COSTS);
const fit = syntheticTable(2500, 1);
const rule = fitAnswers(fit);
const held = answersOf(syntheticTable(10_000, 99), rule);
const correct = correctAnswers(held);
let problem: YardstickProblem;

beforeAll(async () => {
  problem = await prepareYardsticks(runtime, answersOf(fit, rule), COSTS);
});

const worth = (chosen: Uint8Array, lambda: number): number => returnOf(chosen, correct, SHARES, lambda);
const share = (chosen: Uint8Array): number => chosen.reduce((sum, exit) => sum + SHARES[exit]!, 0) / chosen.length;

test("there is every yardstick, by name", async () => {
  const names = [...(await heldOut(0.1)).keys()];
  const thresholds = ["threshold:confidence", "threshold:margin", "threshold:entropy"];
  expect(names).toEqual([
    "exit:1",
    "exit:2",
    "exit:3",
    "exit:4",
    "random",
    "patience",
    ...thresholds,
    "optimal",
    "oracle",
  ]);
});

test("`--policy` takes the names of all that there are", () => {
  const names = yardsticksFor(problem, 0.1).map(({ name }) => name);
  expect(names.filter((name) => !name.startsWith("exit:")).sort()).toEqual([...YARDSTICK_NAMES].sort());
});

const solved = new Map<number, Promise<Map<string, number>>>();

/** The held-out return of every yardstick at one lambda. */
function heldOut(lambda: number): Promise<Map<string, number>> {
  const solve = async () => {
    const all = new Map<string, number>();
    for (const one of yardsticksFor(problem, lambda)) all.set(one.name, worth(await one.decide(held), lambda));
    return all;
  };
  if (!solved.has(lambda)) solved.set(lambda, solve());
  return solved.get(lambda)!;
}

const bestOf = (all: Map<string, number>, prefix: string): number =>
  Math.max(...[...all].filter(([name]) => name.startsWith(prefix)).map(([, value]) => value));

test.each([0.03, 0.1, 0.3])(
  "at lambda %d on held-out images: fixed < thresholds < optimal < oracle",
  async (lambda) => {
    const all = await heldOut(lambda);
    expect(bestOf(all, "threshold")).toBeGreaterThan(bestOf(all, "exit"));
    // fitted on 2500 images: the regressors' own noise is worth up to 0.004
    expect(all.get("optimal")!).toBeGreaterThan(bestOf(all, "threshold") - 0.004);
    expect(all.get("oracle")!).toBeGreaterThan(all.get("optimal")!);
    expect(all.get("patience")!).toBeGreaterThan(all.get("random")!);
  },
);

test("the agent, trained for seconds, is within noise of optimal stopping and above tuned thresholds", async () => {
  const { agent } = await trainAgent(runtime, fit, syntheticTable(2500, 2), COSTS, { seed: 1 });
  let [gained, possible] = [0, 0];
  const byThreshold = new Map<string, number>();
  for (const lambda of [0.03, 0.1, 0.3]) {
    const all = await heldOut(lambda);
    const fixed = bestOf(all, "exit");
    gained += worth(await decide(runtime, agent, held, COSTS, lambda), lambda) - fixed;
    possible += all.get("optimal")! - fixed;
    for (const [name, value] of all)
      if (name.startsWith("threshold")) byThreshold.set(name, (byThreshold.get(name) ?? 0) + value - fixed);
  }
  expect(gained / possible).toBeGreaterThan(0.95);
  // one score for all lambdas: the best of three at each lambda is known in hindsight alone
  expect(byThreshold.size).toBe(3);
  expect(gained).toBeGreaterThan(Math.max(...byThreshold.values()));
});

test("the oracle is an upper bound on every policy", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(15), fc.nat(3)), { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0, max: 3, noNaN: true }),
      (images, lambda) => {
        const right = Uint8Array.from(images.flatMap(([bits]) => [0, 1, 2, 3].map((k) => (bits >> k) & 1)));
        const any = images.map(([, exit]) => exit);
        const best = returnOf(oracleExits(right, SHARES, lambda), right, SHARES, lambda);
        expect(best).toBeGreaterThanOrEqual(returnOf(any, right, SHARES, lambda) - 1e-12);
      },
    ),
  );
});

test("the oracle's cost never rises as lambda rises", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(15), { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0, max: 3, noNaN: true }),
      fc.double({ min: 0, max: 3, noNaN: true }),
      (images, one, other) => {
        const right = Uint8Array.from(images.flatMap((bits) => [0, 1, 2, 3].map((k) => (bits >> k) & 1)));
        const cost = (lambda: number) => share(oracleExits(right, SHARES, lambda));
        expect(cost(Math.max(one, other))).toBeLessThanOrEqual(cost(Math.min(one, other)) + 1e-12);
      },
    ),
  );
});

test("the cost of optimal stopping does not rise as lambda rises", async () => {
  const costs: number[] = [];
  for (const lambda of [0.02, 0.1, 0.5]) {
    const optimal = optimalStopping(problem, lambda);
    costs.push(share(await optimal.decide(held)));
  }
  // each lambda has regressors of its own, so neighbours may cross by a little; here lambdas are fivefold apart
  for (let i = 1; i < costs.length; i++) expect(costs[i]!).toBeLessThan(costs[i - 1]! + 0.005);
});

test("optimal stopping finds the optimum of a tiny problem", async () => {
  const once = answersOf(tinyTable(), plainRule(3));
  const often = {
    ...once,
    logProbabilities: repeat(once.logProbabilities, 20),
    labels: Uint16Array.from(repeat(Float32Array.from(once.labels), 20)),
    count: once.count * 20,
  };
  const tiny = await prepareYardsticks(runtime, often, TINY_COSTS);
  const episodes = await prepareEpisodes(runtime, once, TINY_COSTS);
  for (const lambda of [0.05, 0.2, 0.6]) {
    const optimal = optimalStopping(tiny, lambda);
    const found = returnOf(await optimal.decide(once), episodes.correct, episodes.shares, lambda);
    // every episode starts at exit 0: the optimum is the mean value of the states there
    const states = exactStates(episodes, lambda);
    const best = exactReturn(states, episodes, lambda);
    expect(found).toBeLessThanOrEqual(best + 1e-9);
    expect(found).toBeGreaterThan(best - 0.01);
  }
});

function repeat(values: Float32Array, times: number): Float32Array {
  const all = new Float32Array(values.length * times);
  for (let t = 0; t < times; t++) all.set(values, t * values.length);
  return all;
}

/** Mean over images of max(qContinue, qExit) at exit 0, less the first exit's price. */
function exactReturn(
  states: ReturnType<typeof exactStates>,
  episodes: Awaited<ReturnType<typeof prepareEpisodes>>,
  lambda: number,
): number {
  const width = episodes.states.length / episodes.count / episodes.exits;
  const key = (image: number) =>
    episodes.states.subarray(image * episodes.exits * width, (image * episodes.exits + 1) * width).join();
  const bestAt = new Map(
    states
      .filter(({ exit }) => exit === 0)
      .map(({ image, qContinue, qExit }) => [key(image), Math.max(qContinue, qExit)]),
  );
  let sum = 0;
  for (let image = 0; image < episodes.count; image++) sum += bestAt.get(key(image))!;
  return sum / episodes.count - lambda * episodes.shares[0]!;
}

test("patience by hand", async () => {
  // answers of three exits: A A A, A B B, A B A
  const answer = (c: number) => [0, 1, 2].map((k) => (k === c ? -0.01 : -5));
  const logProbabilities = Float32Array.from([0, 0, 0, 0, 1, 1, 0, 1, 0].flatMap(answer));
  const answers: AnswerTable = { logProbabilities, labels: Uint16Array.of(0, 1, 0), count: 3, exits: 3, classes: 3 };
  const episodes = await prepareEpisodes(runtime, answers, TINY_COSTS);
  expect([...patienceExits(episodes, 0)]).toEqual([0, 0, 0]);
  expect([...patienceExits(episodes, 1)]).toEqual([1, 2, 2]);
  expect([...patienceExits(episodes, 2)]).toEqual([2, 2, 2]);
});

test("random takes every exit equally often, fixed always the same one", () => {
  const drawn = randomExit(3).decide(held) as Uint8Array;
  for (let exit = 0; exit < 4; exit++)
    expect(Math.abs(drawn.filter((one) => one === exit).length - 2500)).toBeLessThan(175);
  expect(randomExit(3).decide(held)).toEqual(drawn);
  expect(new Set(fixedExit(2).decide(held) as Uint8Array)).toEqual(new Set([2]));
  expect(() => fixedExit(4).decide(held)).toThrow("an exit in 0..3 expected, found 4");
});
