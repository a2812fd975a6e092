import { describe, expect, test } from "vitest";
import { type AnswerRule, answersOf, exitScores, plainRule } from "../../src/exits/answers.ts";
import { prepareEpisodes } from "../../src/exits/episodes.ts";
import type { ExitCosts, ExitTable } from "../../src/exits/exit-table.ts";
import {
  answerCount,
  costShares,
  dialOf,
  exitFeatures,
  exitState,
  featureCount,
  observation,
  observations,
  stateWidth,
} from "../../src/exits/observation.ts";
import { concat } from "../../src/graph/layout.ts";
import { input } from "../../src/graph/tensor.ts";
import type { Agent } from "../../src/policy/agent.ts";
import { decide, qValues } from "../../src/policy/agent.ts";
import { thresholdAgent } from "../../src/policy/decider.ts";
import { type Dense, decisionLayers } from "../../src/policy/decision-layers.ts";
import { exitUnitWeights, initialExitUnits } from "../../src/policy/exit-units.ts";
import { initialQWeights } from "../../src/policy/q-network.ts";
import { stageDecision } from "../../src/policy/stage-decision.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program, type Values } from "../../src/runtime/program.ts";
import { tuneThresholdDial } from "../../src/yardsticks/threshold-dial.ts";
import { COSTS, syntheticTable } from "../policy/synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });
const RULE = { temperatures: [1.3, 0.8, 2, 1], priorWeights: [0, 0.5, 0.2, 1] };

/** The states of one image in float64, written from the definition. */
function referenceStates(table: ExitTable, image: number, rule: AnswerRule, costs: ExitCosts): number[][] {
  const { exits, classes } = table;
  const perExit: number[][] = [];
  let previous = -1;
  let before = Array<number>(classes).fill(1);
  return rule.temperatures.map((temperature, exit) => {
    const from = (image * exits + exit) * classes;
    const logits = [...table.logits.subarray(from, from + classes)];
    const raw = logits.map((z, c) => Math.exp(z / temperature) * before[c]! ** rule.priorWeights[exit]!);
    const p = raw.map((one) => one / raw.reduce((a, b) => a + b));
    before = p;
    const sorted = [...p].sort((a, b) => b - a);
    const top = p.indexOf(sorted[0]!);
    const entropy = -p.reduce((sum, one) => sum + (one > 0 ? one * Math.log(one) : 0), 0);
    perExit.push([sorted[0]!, sorted[0]! - sorted[1]!, entropy, ...sorted.slice(0, 3), top === previous ? 1 : 0]);
    previous = top;
    const toCome = Array<number>((exits - 1 - exit) * featureCount(classes)).fill(0);
    const position = rule.temperatures.map((_, k) => (k === exit ? 1 : 0));
    return [...position, costs.exitMacs[exit]! / costs.exitMacs.at(-1)!, ...perExit.flat(), ...toCome];
  });
}

test.each([2, 3, 10])("states equal a float64 reference, %i classes", async (classes) => {
  const table = syntheticTable(1500, 3, { classes }); // more than one run's worth
  const width = stateWidth(4, classes);
  const states = await observations(runtime, answersOf(table, RULE), COSTS);
  expect(states).toHaveLength(1500 * 4 * width);
  let worst = 0;
  for (let i = 0; i < table.count; i++) {
    const expected = referenceStates(table, i, RULE, COSTS).flat();
    expected.forEach((value, at) => {
      worst = Math.max(worst, Math.abs(states[i * 4 * width + at]! - value));
    });
  }
  expect(worst).toBeLessThan(2e-6); // probabilities up to 1 and entropies up to 2.3 in float32
});

test("the observation adds 1 + log10(lambda) as its last column", async () => {
  const lambda = input("lambda", [1, 1]);
  const program = await Program.compile(runtime, {
    outputs: { o: observation(input("state", [1, 2]), lambda) },
    anyBatch: true,
  });
  const { o } = await program.run({ state: Float32Array.of(5, 6, 7, 8, 9, 10), lambda: Float32Array.of(0.01, 0.1, 1) });
  await program.close();
  [5, 6, -1, 7, 8, 0, 9, 10, 1].forEach((value, i) => {
    expect(o![i]).toBeCloseTo(value, 6);
  });
});

test("logits so large that most probabilities are zero give finite features", async () => {
  const logits = Float32Array.of(300, -300, 0, 0, 0, 0);
  const table = { logits, labels: Uint16Array.of(0), count: 1, exits: 2, classes: 3 };
  const states = await observations(runtime, answersOf(table, plainRule(2)), { exitMacs: [1, 2], fullMacs: 2 });
  const features = [...states.subarray(3, 10)];
  [1, 1, 0, 1, 0, 0, 0].forEach((value, i) => {
    expect(features[i]).toBeCloseTo(value, 6);
  });
});

function untrainedAgent(classes = 10, hidden = [16], dueling = true): Agent {
  const weights = initialQWeights({ inputs: stateWidth(4, classes) + 1, hidden, dueling }, 5);
  return {
    weights,
    hidden,
    dueling,
    exits: 4,
    classes,
    ...RULE,
    lambdaRange: { from: 0.01, to: 1 },
  };
}

test("nothing computed after an exit enters the decision there", async () => {
  const agent = untrainedAgent();
  const table = syntheticTable(300, 4);
  const chosen = await decide(runtime, agent, answersOf(table, agent), COSTS, 0.1);
  expect(new Set(chosen).size).toBeGreaterThan(1); // else the test would show nothing
  const logits = table.logits.slice();
  chosen.forEach((exit, i) => {
    logits.fill(Number.NaN, (i * 4 + exit + 1) * 10, (i + 1) * 4 * 10);
  });
  expect(await decide(runtime, agent, answersOf({ ...table, logits }, agent), COSTS, 0.1)).toEqual(chosen);
});

/** Units of each exit, so that large margins leave and small ones go on. */
function unitAgent(classes: number): Agent {
  const lambdaRange = { from: 0.01, to: 1 };
  const units = initialExitUnits(costShares(COSTS), lambdaRange, 8, 1).map((one) => {
    if (one.margin === undefined && one.dial === 0 && one.toExit > 0)
      return { ...one, toContinue: one.toContinue + 0.2 };
    return one.margin === 1 && one.bias === -0.25 ? { ...one, toExit: one.toExit + 0.8 } : one;
  });
  const weights = exitUnitWeights(units, 4, classes);
  return { weights, hidden: [units.length], dueling: false, exits: 4, classes, ...RULE, lambdaRange };
}

async function thresholds(score: "confidence" | "margin" | "entropy"): Promise<Agent> {
  const agent = unitAgent(10);
  const table = answersOf(syntheticTable(400, 8), agent);
  return thresholdAgent(
    agent,
    tuneThresholdDial(await prepareEpisodes(runtime, table, COSTS), score, agent.lambdaRange),
  );
}

const OF_CONFIDENCE = await thresholds("confidence");
const OF_MARGIN = await thresholds("margin");
const OF_ENTROPY = await thresholds("entropy");

describe("the decision built into a stage", () => {
  test.each([
    { what: "one hidden layer and a duel", agent: untrainedAgent(10, [16], true), looksBack: true },
    { what: "two hidden layers", agent: untrainedAgent(10, [16, 8], false), looksBack: true },
    { what: "no hidden layer, a duel", agent: untrainedAgent(2, [], true), looksBack: true },
    { what: "no hidden layer", agent: untrainedAgent(3, [], false), looksBack: true },
    { what: "units for each exit", agent: unitAgent(10), looksBack: false },
    { what: "units for each exit, two classes", agent: unitAgent(2), looksBack: false },
    { what: "thresholds on confidence", agent: OF_CONFIDENCE, looksBack: false },
    { what: "thresholds on margins", agent: OF_MARGIN, looksBack: false },
    { what: "thresholds on entropy", agent: OF_ENTROPY, looksBack: false },
  ])("has the Q-values of the table, for any batch: $what", async ({ agent, looksBack }) => {
    const { classes } = agent;
    const layers = decisionLayers(agent, costShares(COSTS));
    expect(layers.looksBack).toBe(looksBack);
    const table = syntheticTable(50, 6, { classes });
    const answers = answersOf(table, agent);
    const expected = await decide(runtime, agent, answers, COSTS, 0.2);
    const [q] = await qValues(runtime, agent, answers, COSTS, [0.2]);
    let seen: Float32Array = new Float32Array(50).fill(dialOf(0.2));
    let topClass: Float32Array = new Float32Array(50);
    let before: Float32Array = new Float32Array(50 * classes);
    const leaves = new Uint8Array(50).fill(3); // where nobody decides any more
    for (const exit of [0, 1, 2]) {
      const known = seen.length / 50;
      const shape = [1, classes];
      const own = exitScores(agent, exit, input("logits", shape), exit === 0 ? null : input("before", shape));
      const decision = stageDecision(layers, {
        exit,
        scores: own,
        seen: input("seen", [1, known]),
        previousTopClass: exit === 0 || !looksBack ? null : input("topClass", [1, 1]),
      });
      const { exitNow, goesOn, answer, topClass: top } = decision;
      const carried = top ? { answer: concat(answer, 1), top } : {};
      expect(carried.answer !== undefined).toBe(looksBack);
      const outputs = { ...carried, exitNow, goesOn, q: decision.q, own };
      const program = await Program.compile(runtime, { outputs, anyBatch: true });
      const logits = Float32Array.from(
        { length: 50 * classes },
        (_, at) => table.logits[(Math.floor(at / classes) * 4 + exit) * classes + (at % classes)]!,
      );
      const out = await program.run<Values & { goesOn: Uint8Array }>({ logits, seen, topClass, before });
      const told = looksBack ? answerCount(classes, exit) : 0;
      const longer = new Float32Array(50 * (known + told));
      for (let i = 0; i < 50; i++) {
        longer.set(seen.subarray(i * known, (i + 1) * known), i * (known + told));
        if (looksBack) longer.set(out.answer!.subarray(i * told, (i + 1) * told), i * (known + told) + known);
        // sums of some ten float32 products of size 1, in another order
        for (const action of [0, 1]) expect(out.q![2 * i + action]).toBeCloseTo(q![(i * 4 + exit) * 2 + action]!, 5);
        expect(out.goesOn[i]).toBe(1 - out.exitNow![i]!);
        if (out.exitNow![i] === 1 && leaves[i] === 3) leaves[i] = exit;
      }
      [seen, before] = [longer, out.own!];
      if (looksBack) topClass = out.top!;
      await program.close();
    }
    expect(leaves).toEqual(expected);
    if (!looksBack) expect(new Set(leaves).size).toBeGreaterThan(1); // else the test would show little
  });
});

test("a decision sees two probabilities and the dial, with the units alone that can open", () => {
  const agent = unitAgent(10);
  for (const [exit, { sees, layers }] of decisionLayers(agent, costShares(COSTS)).at.entries()) {
    expect(sees).toEqual([{ exit, part: 1 }, { exit, part: 2 }, "dial"]);
    const [first, second] = layers as [Dense, Dense];
    expect(first.weight.shape[0]).toBeLessThan(agent.hidden[0]! / 3); // about a quarter of them belongs to each exit
    expect(second.weight.shape).toEqual([2, first.weight.shape[0]]);
  }
});

test("what does not fit is refused with both values", async () => {
  expect(() => exitFeatures(input("x", [1, 1]), null)).toThrow(
    "probabilities [B, K] with K at least 2 expected, found [1, 1]",
  );
  const { features } = exitFeatures(input("p", [1, 10]), null);
  expect(() => exitState({ exit: 1, costShares: [0.5, 1], history: null, features })).toThrow(
    "history [B, 7] expected at exit 1, found none",
  );
  await expect(
    observations(runtime, answersOf(syntheticTable(2, 1), RULE), { exitMacs: [1, 2], fullMacs: 2 }),
  ).rejects.toThrow("observations: 4 costs expected, found 2");
});
