/** What is deployed, with which lambda and why, from few pictures on. */
import { expect, test } from "vitest";
import { answersOf } from "../../src/exits/answers.ts";
import { correctAnswers, exitAccuracies, returnOf } from "../../src/exits/environment.ts";
import { costShares } from "../../src/exits/observation.ts";
import { decide } from "../../src/policy/agent.ts";
import { chooseDecider, LEAST_TO_LEARN } from "../../src/policy/choice.ts";
import { crossFit, FOLDS, foldsOf } from "../../src/policy/cross-fit.ts";
import { decidingAgent } from "../../src/policy/decider.ts";
import { dqnOptions } from "../../src/policy/dqn-options.ts";
import { lambdaPoint } from "../../src/policy/lambda-calibration.ts";
import { learnOnTable } from "../../src/policy/learn.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });
const given = {
  costs: COSTS,
  costUnit: "MACs",
  splitSeed: 1,
  runtime,
  options: { steps: 100, selectEvery: 100, seed: 1 },
};
const SHARES = costShares(COSTS);

test.each([
  [60, 1],
  [60, 2],
  [200, 1],
  [600, 1],
])(
  "%i pictures (%i): says who decides and why; the recommended lambda is no worse than the best fixed exit",
  async (count, seed) => {
    const policy = await learnOnTable({ ...given, table: syntheticTable(count, seed) });
    const { decider, choice, lambda, calibration } = policy;
    expect(choice!.images).toBe(count);
    expect(choice!.warnings[0]).toContain(`few validation images (${count})`);
    if (count < LEAST_TO_LEARN) {
      expect(decider).toMatch(/^threshold:/);
      expect(choice!.reason).toContain(`${count} validation images are too few for an agent (at least 200)`);
    } else if (decider === "dqn") expect(choice!.reason).toContain("the agent is not below the tuned thresholds: R ");
    expect(calibration.some((point) => point.lambda === lambda)).toBe(true);

    const deciding = decidingAgent(policy);
    const answers = answersOf(policy.validation!, deciding);
    const right = correctAnswers(answers);
    const chosen = await decide(runtime, deciding, answers, COSTS, lambda);
    const fixed = [0, 1, 2, 3].map((exit) => returnOf(new Uint8Array(count).fill(exit), right, SHARES, lambda));
    expect(returnOf(chosen, right, SHARES, lambda)).toBeGreaterThanOrEqual(Math.max(...fixed) - 1e-9);
    const { accuracy } = lambdaPoint(lambda, chosen, right, COSTS);
    expect(accuracy).toBeGreaterThanOrEqual(Math.max(...exitAccuracies(answers)) - 0.003 - 1e-9);
  },
);

test("who is asked for decides; the reason says so", async () => {
  const table = syntheticTable(300, 4);
  for (const decider of ["dqn", "threshold:entropy"] as const) {
    const policy = await learnOnTable({ ...given, table, decider });
    expect(policy.decider).toBe(decider);
    expect(policy.choice!.reason).toMatch(/^asked for; agent against thresholds: R /);
    expect(policy.thresholds!.thresholds[0]).toHaveLength(3);
  }
});

test("folds are of one size, overall and in each class, and depend on labels and seed alone", () => {
  const { labels } = syntheticTable(503, 5);
  const fold = foldsOf(labels, 3);
  for (let f = 0; f < FOLDS; f++) {
    expect(Math.abs(fold.filter((one) => one === f).length - 503 / FOLDS)).toBeLessThan(1);
    for (let c = 0; c < 10; c++) {
      const all = labels.filter((label) => label === c).length;
      const own = fold.filter((one, i) => one === f && labels[i] === c).length;
      expect(Math.abs(own - all / FOLDS)).toBeLessThan(1);
    }
  }
  expect(foldsOf(labels, 3)).toEqual(fold);
  expect(foldsOf(labels, 4)).not.toEqual(fold);
});

test("no image is decided on by what has seen it", async () => {
  const table = syntheticTable(100, 6);
  const fold = foldsOf(table.labels, 1);
  const lambdas = [0.01, 0.1];
  const options = () => dqnOptions({ steps: 30, warmup: 100, batch: 32, seed: 1 });
  const seen = { costs: COSTS, lambdas, score: "margin", tuning: "each", options, seed: 1, runtime } as const;
  const before = await crossFit({ ...seen, table });
  // the logits of one image of fold 2 are turned round: of that fold no other image may be decided on differently
  const image = fold.indexOf(2);
  const logits = table.logits.map((value, at) => (Math.floor(at / 40) === image ? -3 * value : value));
  const after = await crossFit({ ...seen, table: { ...table, logits } });
  const differ = (f: number): number =>
    [...fold.keys()].filter((i) => i !== image && fold[i] === f && before.thresholds[1]![i] !== after.thresholds[1]![i])
      .length;
  expect(differ(2)).toBe(0);
  for (const l of [0, 1])
    for (const [i, f] of fold.entries())
      if (f === 2 && i !== image) expect(after.agent[l]![i]).toBe(before.agent[l]![i]);
});

test("thresholds decide where the agent's whole interval lies below them", () => {
  const shares = costShares(COSTS);
  const count = 1000;
  const correct = Uint8Array.from({ length: 4 * count }, (_, at) => (at % 4 === 3 || at % 3 === 0 ? 1 : 0));
  const all = (exit: number) => [new Uint8Array(count).fill(exit)];
  const wanted = { threshold: "threshold:margin", wanted: "auto", seed: 1 } as const;
  const worse = chooseDecider({ correct, agent: all(0), thresholds: all(3) }, COSTS, [0.1], wanted);
  expect(worse.decider).toBe("threshold:margin");
  expect(worse.choice.reason).toContain("the agent falls short of the tuned thresholds: R -0.");
  expect(worse.choice.difference.interval[1]).toBeLessThan(0);
  const accuracy = (exit: number) => correct.filter((right, at) => at % 4 === exit && right === 1).length / count;
  expect(worse.choice.difference.mean).toBeCloseTo(accuracy(0) - accuracy(3) + 0.1 * (shares[3]! - shares[0]!), 9);
  const level = chooseDecider({ correct, agent: all(3), thresholds: all(3) }, COSTS, [0.1], wanted);
  expect(level.decider).toBe("dqn");
});
