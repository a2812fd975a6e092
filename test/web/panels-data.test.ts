import { expect, test } from "vitest";
import {
  calibrationCurve,
  groups,
  type LearnLine,
  learnLines,
  readEvaluation,
  readLine,
  readLines,
  type TrainLine,
  trainLines,
} from "../../web/panels/data.ts";
import { kneeOf } from "../../web/panels/knee.ts";

const train = (step: number, loss = 1): TrainLine => ({
  kind: "train",
  step,
  steps: 100,
  epoch: step / 10,
  epochs: 10,
  loss,
  accuracy: [0.1, 0.2],
  learningRate: 0.1,
  gradientNorm: 1,
  imagesPerSecond: 50,
  secondsLeft: 3,
});
const learn = (step: number, best: number): LearnLine => ({
  kind: "learn",
  step,
  steps: 40,
  epsilon: 0.5,
  loss: 0.1,
  return: best,
  best,
  exitShares: [0.5, 0.5],
});

test("lines that are whole and known are read, all others passed over", () => {
  const lines = [train(10), learn(20, 0.7)];
  const text = [
    ...lines.map((line) => JSON.stringify(line)),
    '{"kind":"weather","step":1}',
    '{"kind":"toString"}',
    JSON.stringify({ ...train(20), loss: "low" }),
    JSON.stringify({ ...train(20), accuracy: [0.5, null] }),
    JSON.stringify({ ...train(20), accuracy: new Array(100_000).fill(0.5) }), // would take the page minutes to draw
    JSON.stringify({ ...train(20), validationAccuracy: new Array(100_000).fill(0.5) }),
    JSON.stringify({ ...train(20), validationAccuracy: "high" }),
    "null",
    "[1]",
    "",
    JSON.stringify(train(30)).slice(0, -5),
  ].join("\n");
  expect(readLines(text)).toEqual(lines);
  expect(readLine(JSON.stringify(lines[1]))).toEqual(lines[1]);
});

test("an evaluation is what can be drawn, or nothing", () => {
  const evaluation = { accuracy: 0.5, exits: [], classes: [], yardsticks: [] };
  expect(readEvaluation(evaluation)).toBe(evaluation);
  for (const other of [null, 5, [], {}, { ...evaluation, exits: new Array(100_000).fill({}) }])
    expect(readEvaluation(other)).toBeNull();
});

test("a resumed training: the later line of a step counts, and what follows is gone", () => {
  const lines = [train(10), train(20), train(30), train(40), learn(20, 0.1), train(30, 7), train(40, 8)];
  expect(trainLines(lines).map(({ step, loss }) => [step, loss])).toEqual([
    [10, 1],
    [20, 1],
    [30, 7],
    [40, 8],
  ]);
});

test("a policy that was learned again: the last learning is shown", () => {
  const lines = [learn(20, 0.1), learn(40, 0.2), train(10), learn(20, 0.3)];
  expect(learnLines(lines).map(({ best }) => best)).toEqual([0.3]);
});

test("neighbours make at most so many groups, and none is lost", () => {
  const numbers = Array.from({ length: 25 }, (_, i) => i);
  expect(groups(numbers, 10).map(({ length }) => length)).toEqual([3, 3, 3, 3, 3, 3, 3, 3, 1]);
  expect(groups(numbers, 10).flat()).toEqual(numbers);
  expect(groups(numbers, 25)).toHaveLength(25);
  expect(groups([], 10)).toEqual([]);
});

test("the knee: where the agent is within 5 points of its best, and what the others reach there", () => {
  const line = (name: string, ...points: [costMacs: number, accuracy: number][]) => ({
    name,
    points: points.map(([costMacs, accuracy], i) => ({ lambda: i, accuracy, costMacs })),
  });
  const agent = line("dqn", [10, 0.4], [100, 0.9], [150, 0.93], [200, 0.94]);
  const knee = kneeOf([line("oracle", [120, 0.97], [30, 0.95]), agent, line("exit:1", [110, 0.5])])!;
  expect(knee.costMacs[0]).toBeCloseTo(92, 9); // 8% of 100 to 200 on each side
  expect(knee.costMacs[1]).toBeCloseTo(208, 9);
  expect(knee.accuracy[0]).toBeCloseTo(0.9 - 0.08 * 0.07, 9); // from the agent's 90% to the oracle's 97%
  expect(knee.accuracy[1]).toBeCloseTo(0.97 + 0.08 * 0.07, 9);
  expect(kneeOf([line("dqn", [100, 0.9], [200, 0.94])])).toBeNull(); // it would be the whole plot
  expect(kneeOf([line("dqn", [100, 0.9])])).toBeNull();
  expect(kneeOf([])).toBeNull();
});

test("the dial of a model as a curve", () => {
  const point = { lambda: 0.1, accuracy: 0.9, meanMacs: 5, savings: 0.5, exitShares: [1] };
  expect(calibrationCurve([point])).toEqual({ name: "dqn", points: [{ lambda: 0.1, accuracy: 0.9, costMacs: 5 }] });
});
