import { describe, expect, test } from "vitest";
import { type AnswerRule, answersOf, exitScores, fitAnswers, negativeLogLikelihood } from "../../src/exits/answers.ts";
import { confidences, expectedCalibrationError } from "../../src/exits/calibration.ts";
import { correctAnswers, exitAccuracies } from "../../src/exits/environment.ts";
import type { ExitTable } from "../../src/exits/exit-table.ts";
import { logSoftmax } from "../../src/graph/loss.ts";
import { input } from "../../src/graph/tensor.ts";
import { normal, seededRandom, uniform } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import { syntheticTable } from "../policy/synthetic.ts";

const CLASSES = 5;

/** An index drawn in proportion to exp(scores). */
function drawn(scores: readonly number[], random: ReturnType<typeof seededRandom>): number {
  const weights = scores.map(Math.exp);
  let rest = uniform(random) * weights.reduce((a, b) => a + b);
  let index = 0;
  while (index < weights.length - 1 && rest > weights[index]!) rest -= weights[index++]!;
  return index;
}

/** Labels drawn from softmax of the sum of all parts; exit k shows scales[k] times its part, or times the first if there is one. */
function honestTable(count: number, scales: readonly number[], { parts }: { parts: number }): ExitTable {
  const random = seededRandom(11);
  const logits = new Float32Array(count * scales.length * CLASSES);
  const labels = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const z = Array.from({ length: parts }, () => Array.from({ length: CLASSES }, () => 2 * normal(random)));
    labels[i] = drawn(
      z[0]!.map((_, c) => z.reduce((sum, part) => sum + part[c]!, 0)),
      random,
    );
    for (const [k, scale] of scales.entries())
      logits.set(
        z[k % parts]!.map((one) => scale * one),
        (i * scales.length + k) * CLASSES,
      );
  }
  return { logits, labels, count, exits: scales.length, classes: CLASSES };
}

describe("the fitted rule", () => {
  test("recovers the scale that logits were blown up by, and gives no weight to a prior that says nothing new", () => {
    const scales = [0.5, 1, 3];
    const { temperatures, priorWeights } = fitAnswers(honestTable(4000, scales, { parts: 1 }));
    // 4000 images: the standard error of a fitted temperature is about 2.5%
    expect(temperatures[0]! / 0.5).toBeGreaterThan(0.93);
    expect(temperatures[0]! / 0.5).toBeLessThan(1.07);
    // exits 2 and 3 say what exit 1 has said: any share of the two is as good, and together they are as sharp
    for (const [k, scale] of scales.entries())
      expect(scale / temperatures[k]! + priorWeights[k]!).toBeCloseTo(0.5 / temperatures[0]!, k === 0 ? 9 : 1);
  });

  test("adds independent evidence in full", () => {
    const { temperatures, priorWeights } = fitAnswers(honestTable(6000, [1, 3], { parts: 2 }));
    expect(temperatures[1]! / 3).toBeGreaterThan(0.93);
    expect(temperatures[1]! / 3).toBeLessThan(1.07);
    // the first exit is less sure than its part would be alone, since the other part is noise to it
    expect(temperatures[0]).toBeGreaterThan(1.2);
    expect(priorWeights[1]! / temperatures[0]!).toBeGreaterThan(0.93); // which is taken back
    expect(priorWeights[1]! / temperatures[0]!).toBeLessThan(1.07);
  });

  test("ignores a prior that is noise", () => {
    const table = honestTable(4000, [1, 1], { parts: 1 });
    const random = seededRandom(5);
    for (let i = 0; i < table.count; i++)
      for (let c = 0; c < CLASSES; c++) table.logits[2 * i * CLASSES + c] = normal(random);
    const { temperatures, priorWeights } = fitAnswers(table);
    expect(temperatures[0]).toBeGreaterThan(10); // noise is next to nothing
    expect(Math.abs(1 / temperatures[1]! - 1)).toBeLessThan(0.07);
    expect(priorWeights[0]).toBe(0);
  });

  test("has no neighbour under which the labels are likelier", () => {
    const table = syntheticTable(600, 4);
    const rule = fitAnswers(table);
    for (let k = 0; k < 4; k++) {
      const loss = (temperature: number, weight: number): number => {
        const temperatures = rule.temperatures.with(k, temperature);
        const priorWeights = rule.priorWeights.with(k, weight);
        return negativeLogLikelihood(answersOf(table, { temperatures, priorWeights }), k);
      };
      const [t, w] = [rule.temperatures[k]!, rule.priorWeights[k]!];
      const least = loss(t, w);
      for (const factor of [0.7, 0.98, 1.02, 1.4]) {
        expect(loss(t * factor, w)).toBeGreaterThan(least);
        if (w > 0 && w < 4) expect(loss(t, w * factor)).toBeGreaterThan(least);
      }
    }
  });

  test("stays within its bounds where every label is told for certain, or nothing is", () => {
    const sure = { logits: Float32Array.of(9, 0, 9, 0, 0, 9, 0, 9), labels: Uint16Array.of(0, 1), count: 2, exits: 2 };
    for (const table of [sure, { ...sure, logits: new Float32Array(8) }]) {
      const { temperatures, priorWeights } = fitAnswers({ ...table, classes: 2 });
      for (const one of temperatures) {
        expect(one).toBeGreaterThanOrEqual(0.05);
        expect(one).toBeLessThanOrEqual(20);
      }
      for (const one of priorWeights) expect(one >= 0 && one <= 4).toBe(true);
    }
  });

  test("makes confidence honest and answers better, on images that it was not fitted to", () => {
    const rule = fitAnswers(syntheticTable(2500, 1));
    const held = syntheticTable(8000, 2);
    const plain: AnswerRule = { temperatures: [1, 1, 1, 1], priorWeights: [0, 0, 0, 0] };
    const [before, after] = [answersOf(held, plain), answersOf(held, rule)];
    const ece = (table: typeof after, exit: number): number => {
      const { confidence, correct } = confidences(table, exit);
      return expectedCalibrationError(confidence, correct);
    };
    for (let exit = 0; exit < 4; exit++) {
      expect(negativeLogLikelihood(after, exit)).toBeLessThan(negativeLogLikelihood(before, exit));
      expect(ece(after, exit)).toBeLessThan(0.7 * ece(before, exit));
    }
    const [alone, together] = [exitAccuracies(before), exitAccuracies(after)];
    expect(together[0]).toBe(alone[0]);
    expect(together[3]!).toBeGreaterThan(alone[3]!);
  });

  test("needs an image", () => {
    const none = { logits: new Float32Array(0), labels: new Uint16Array(0), count: 0, exits: 2, classes: 3 };
    expect(() => fitAnswers(none)).toThrow("fitAnswers: at least 1 image expected, found 0");
  });
});

test("answers by hand: the answer before is the prior of the next one", () => {
  // z_1 = [log 4, 0] at T = 2 says 2 : 1; z_2 = [0, log 3] says 1 : 3, with the prior to the power of 1/2 it is sqrt 2 : 3
  const logits = Float32Array.of(Math.log(4), 0, 0, Math.log(3));
  const table = { logits, labels: Uint16Array.of(0), count: 1, exits: 2, classes: 2 };
  const answers = answersOf(table, { temperatures: [2, 1], priorWeights: [0, 0.5] });
  const [a, b, c, d] = [...answers.logProbabilities].map(Math.exp) as [number, number, number, number];
  expect(a).toBeCloseTo(2 / 3, 6);
  expect(b).toBeCloseTo(1 / 3, 6);
  expect(c / d).toBeCloseTo(Math.SQRT2 / 3, 6);
  expect(c + d).toBeCloseTo(1, 6);
  expect([...correctAnswers(answers)]).toEqual([1, 0]);
  expect(negativeLogLikelihood(answers, 0)).toBeCloseTo(-Math.log(2 / 3), 6);
  expect(() => answersOf(table, { temperatures: [1], priorWeights: [0] })).toThrow(
    "answers: a rule for 2 exits expected, found 1 temperatures and 1 weights",
  );
});

test("the graph of an answer gives the table's numbers", async () => {
  const table = syntheticTable(40, 3);
  const rule: AnswerRule = { temperatures: [1.3, 0.8, 2, 1], priorWeights: [0, 0.5, 0, 1] };
  const expected = answersOf(table, rule).logProbabilities;
  let before: Float32Array = new Float32Array(400);
  for (let exit = 0; exit < 4; exit++) {
    const shape = [1, 10];
    const own = exitScores(rule, exit, input("z", shape), exit === 0 ? null : input("before", shape));
    const outputs = { own: logSoftmax(own) };
    const program = await Program.compile(createNodeRuntime({ threads: 1 }), { outputs, anyBatch: true });
    const rows = (values: Float32Array): Float32Array =>
      Float32Array.from({ length: 400 }, (_, at) => values[(Math.floor(at / 10) * 4 + exit) * 10 + (at % 10)]!);
    const { own: found } = await program.run({ z: rows(table.logits), before });
    await program.close();
    rows(expected).forEach((value, at) => {
      expect(found![at]).toBeCloseTo(value, 4); // up to 30 in float32
    });
    before = found!;
  }
});
