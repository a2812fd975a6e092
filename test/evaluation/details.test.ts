import { describe, expect, test } from "vitest";
import { confusions } from "../../src/evaluation/confusions.ts";
import { confidenceBins } from "../../src/evaluation/details.ts";
import { detailOnTable, evaluateOnTable } from "../../src/evaluation/evaluate-table.ts";
import { answersOf, plainRule } from "../../src/exits/answers.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { tableEvaluation } from "../report/made-up-report.ts";
import { ANSWERED, TABLE, TAKEN } from "./by-hand.ts";

test("what is taken for what, worked out by hand", () => {
  expect(confusions(ANSWERED, TAKEN)).toEqual([
    { label: 0, answer: 0, images: 2 },
    { label: 1, answer: 0, images: 1 }, // image 3 left at exit 2; exit 3 would have been right
    { label: 1, answer: 1, images: 1 },
  ]);
  const atTheEnd = confusions(ANSWERED, new Uint8Array(4).fill(2));
  expect(atTheEnd.map(({ label, answer, images }) => [label, answer, images])).toEqual([
    [0, 0, 2],
    [1, 1, 2],
  ]);
});

describe("confidence in bins", () => {
  test("worked out by hand", () => {
    // exit 2 without its temperature: 81/82, 16/17, 16/17 and 9/13 sure, the last one wrong; images 1 and 3 left there
    const bins = confidenceBins(answersOf(TABLE, plainRule(3)), 1, TAKEN);
    expect(bins).toHaveLength(15);
    const held = bins.flatMap(({ images, right, left }, bin) => (images > 0 ? [{ bin, images, right, left }] : []));
    expect(held).toEqual([
      { bin: 10, images: 1, right: 0, left: 1 }, // 10/15 to 11/15
      { bin: 14, images: 3, right: 3, left: 1 }, // 14/15 to 1
    ]);
    expect(bins[14]!.meanConfidence).toBeCloseTo((81 / 82 + 16 / 17 + 16 / 17) / 3, 6);
    expect(bins[0]).toEqual({ from: 0, to: 1 / 15, images: 0, right: 0, left: 0, meanConfidence: null });
  });
});

describe("an evaluation in detail", async () => {
  const runtime = createNodeRuntime({ threads: 1 });
  const options = tableEvaluation(runtime);
  const { figures, details, exits } = await detailOnTable(options);

  test("has the same figures as one without details", async () => {
    expect(figures).toEqual(await evaluateOnTable(options));
  });

  test("the bins of an exit give its ECE", () => {
    for (const [exit, { bins }] of details.calibration.entries()) {
      const gap = bins.reduce((sum, bin) => sum + Math.abs(bin.right - bin.images * (bin.meanConfidence ?? 0)), 0);
      expect(gap / figures.samples).toBeCloseTo(figures.exits[exit]!.ece, 10);
    }
  });

  test("the diagonal of what is taken for what is the accuracy", () => {
    const right = details.confusions.filter(({ label, answer }) => label === answer);
    const sum = (some: typeof details.confusions): number => some.reduce((all, { images }) => all + images, 0);
    expect(sum(details.confusions)).toBe(figures.samples);
    expect(sum(right) / figures.samples).toBeCloseTo(figures.accuracy, 12);
  });

  test("who left is counted once", () => {
    const left = details.calibration.map(({ bins }) => bins.reduce((sum, bin) => sum + bin.left, 0));
    expect(left).toEqual(figures.exits.map((_, k) => exits.filter((exit) => exit === k).length));
  });

  test("the agent's curve passes through the figures, wherever the recommended lambda is", async () => {
    const lambda = 0.0123; // none of the 61
    const other = await detailOnTable({ ...options, policy: { ...options.policy, lambda } });
    const { points } = other.details.curves[0]!;
    expect(points).toHaveLength(62);
    const { accuracy, savings } = other.figures;
    expect(points.find((one) => one.lambda === lambda)).toMatchObject({ accuracy, savings });
    expect(points.map((one) => one.lambda)).toEqual(points.map((one) => one.lambda).toSorted((x, y) => x - y));
  });

  test("a curve for the agent and every yardstick: one point where there is no dial", () => {
    const points = Object.fromEntries(details.curves.map(({ name, points }) => [name, points.length]));
    expect(points).toEqual({
      dqn: 61,
      "exit:1": 1,
      "exit:2": 1,
      "exit:3": 1,
      "exit:4": 1,
      random: 1,
      patience: 9,
      "threshold:confidence": 9,
      "threshold:margin": 9,
      "threshold:entropy": 9,
      optimal: 9,
      oracle: 9,
    });
    for (const { name, points } of details.curves.filter((curve) => curve.points.length === 1))
      expect(points[0]!.accuracy, name).toBe(figures.yardsticks.find((one) => one.name === name)!.accuracy);
    const lambdas = details.curves[0]!.points.map(({ lambda }) => lambda);
    expect(lambdas).toEqual(lambdas.toSorted((a, b) => a - b));
  });
});
