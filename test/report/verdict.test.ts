import { expect, test } from "vitest";
import type { YardstickFigures } from "../../src/evaluation/comparison.ts";
import type { EvaluationFigures } from "../../src/evaluation/figures.ts";
import { verdict } from "../../src/report/verdict.ts";
import { MADE_UP } from "./made-up-figures.ts";

/** The figures with other intervals of what the last exit and the threshold have over the agent. */
function withDifferences(lastExit: [number, number], threshold: [number, number]): EvaluationFigures {
  const other = (one: YardstickFigures): YardstickFigures => {
    if (!one.minusAgent) return one;
    const { accuracy, return: worth } = one.minusAgent;
    const told = { accuracy: { ...accuracy, interval: lastExit }, return: { ...worth, interval: threshold } };
    return { ...one, minusAgent: { ...one.minusAgent, ...told } };
  };
  return { ...MADE_UP, yardsticks: MADE_UP.yardsticks.map(other) };
}

test.each([
  [
    [-0.001, 0.013],
    [-0.004, 0.004],
    "As right as the whole network (88.9 against 89.5%) at 49% of its cost. The best tuned threshold: 88.7% at 47%; at this price nothing tells the two apart.",
  ],
  [
    [0.002, 0.01],
    [0.001, 0.004],
    "Right 0.6 points less often than the whole network (88.9 against 89.5%) at 49% of its cost. The best tuned threshold: 88.7% at 47%, which is worth more than what the agent does.",
  ],
  [
    [0.002, 0.01],
    [-0.004, -0.001],
    "Right 0.6 points less often than the whole network (88.9 against 89.5%) at 49% of its cost. The best tuned threshold: 88.7% at 47%, which is worth less than what the agent does.",
  ],
] as [[number, number], [number, number], string][])(
  "says what the intervals allow: %j, %j",
  (lastExit, threshold, said) => {
    expect(verdict(withDifferences(lastExit, threshold))).toBe(said);
  },
);

test("where the agent is right more often, it says so", () => {
  const exits = MADE_UP.exits.map((one) => ({ ...one, accuracyIfAlways: 0.88 }));
  const better = { ...withDifferences([-0.02, -0.001], [-1, 1]), exits };
  expect(verdict(better)).toMatch(/^Right 0\.9 points more often than the whole network \(88\.9 against 88\.0%\)/);
});

test("a yardstick that decides is named, and nothing is claimed of the agent", () => {
  const policy = { name: "threshold:margin", lambda: 0.1, seed: 3 };
  expect(verdict({ ...MADE_UP, policy })).toBe(
    "Threshold on margin: 88.9 against 89.5% of the whole network, at 49% of its cost.",
  );
});

test("figures of before there were paired intervals: the difference alone", () => {
  const yardsticks = MADE_UP.yardsticks.map(({ minusAgent: _, ...one }) => one);
  expect(verdict({ ...MADE_UP, yardsticks })).toBe(
    "Right 0.6 points less often than the whole network (88.9 against 89.5%) at 49% of its cost. The best tuned threshold: 88.7% at 47%.",
  );
});
