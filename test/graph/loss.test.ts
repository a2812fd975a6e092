import { describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { accuracy, crossEntropy, distillation, huber, logSoftmax, softmax } from "../../src/graph/loss.ts";
import { constant, input, type Shape } from "../../src/graph/tensor.ts";
import { normal, uniform } from "../../src/random.ts";
import { anywhere, checkValueAndGradients, type Draw, expectClose, runOnce } from "./check.ts";
import * as reference from "./reference.ts";
import { type Dense, dense, mean, sum } from "./reference.ts";

const LOGITS: Shape = [4, 5];

const rows = ({ shape, data }: Dense): number[][] =>
  Array.from({ length: shape[0]! }, (_, b) => [...data.subarray(b * shape[1]!, (b + 1) * shape[1]!)]);
const scalar = (value: number): Dense => ({ shape: [], data: Float64Array.of(value) });

/** Rows of five probabilities. */
const probabilities: Draw = (random, size) => {
  const draws = Float32Array.from({ length: size }, () => uniform(random));
  return draws.map((value, i) => value / sum([...draws.subarray(i - (i % 5), i - (i % 5) + 5)]));
};

test.each([[[4, 5]], [[2, 3, 4]], [[6]]])(
  "logSoftmax and softmax over the last axis, and their gradients: %j",
  async (shape) => {
    await checkValueAndGradients({
      shapes: [shape],
      graph: (x) => logSoftmax(x!),
      reference: (x) => reference.map(reference.softmax(x!), Math.log),
    });
    await checkValueAndGradients({
      shapes: [shape],
      graph: (x) => softmax(x!),
      reference: (x) => reference.softmax(x!),
    });
  },
);

test("softmax of huge logits does not overflow, nor does its gradient", async () => {
  const x = input("x", [1, 3]);
  const [slope] = gradients(reduceSum(crossEntropy(x, input("targets", [1, 3]))), [x]);
  const found = await runOnce(
    { p: softmax(x), slope: slope! },
    { x: Float32Array.of(1000, 1000, -1000), targets: Float32Array.of(1, 0, 0) },
  );
  expectClose(found.p!, [0.5, 0.5, 0], 1e-6);
  expectClose(found.slope!, [-0.5, 0.5, 0], 1e-6);
});

test.each([0, 0.1])("crossEntropy with smoothing %d, and its gradients to logits and targets", async (smoothing) => {
  await checkValueAndGradients({
    shapes: [LOGITS, LOGITS],
    graph: (logits, targets) => crossEntropy(logits!, targets!, smoothing),
    reference: (logits, targets) => {
      const p = reference.softmax(logits!);
      const smooth = targets!.data.map((target) => (1 - smoothing) * target + smoothing / 5);
      return scalar(-sum([...p.data].map((value, i) => smooth[i]! * Math.log(value))) / 4);
    },
    draw: [anywhere, probabilities],
  });
});

describe("distillation", () => {
  const divergence = (student: Dense, teacher: Dense, temperature: number): Dense => {
    const p = rows(reference.softmax(reference.map(teacher, (value) => value / temperature)));
    const q = rows(reference.softmax(reference.map(student, (value) => value / temperature)));
    const perImage = p.map((row, b) => sum(row.map((value, k) => value * Math.log(value / q[b]![k]!))));
    return scalar(temperature ** 2 * mean(perImage));
  };

  test.each([1, 3])(
    "is the divergence from the teacher at temperature %d, and its gradient to the student",
    async (temperature) => {
      const teacher = dense(LOGITS, (b, k) => Math.sin(3 * b! + 2 * k!) * 2);
      await checkValueAndGradients({
        shapes: [LOGITS],
        graph: (student) => distillation(student!, constant(Float32Array.from(teacher.data), LOGITS), temperature),
        reference: (student) => divergence(student!, teacher, temperature),
      });
    },
  );

  test("sends no gradient to the teacher", () => {
    const [student, teacher] = [input("student", LOGITS), input("teacher", LOGITS)];
    const loss = distillation(student, teacher, 2);
    expect(gradients(loss, [student])[0]!.shape).toEqual(LOGITS);
    expect(() => gradients(loss, [teacher])).toThrow("does not depend on target 0 of shape [4, 5]");
  });
});

/** Below -delta - 0.1, between, and above delta + 0.1 for delta 1 and 0.5. */
const aroundDelta: Draw = (random, size) =>
  Float32Array.from({ length: size }, (_, i) => [-3, -0.2, 0.3, 1.9][i % 4]! + 0.05 * Math.tanh(normal(random)));

test.each([1, 0.5])("huber with delta %d, and its gradient", async (delta) => {
  await checkValueAndGradients({
    shapes: [[3, 4]],
    graph: (error) => huber(error!, delta),
    reference: (error) =>
      reference.map(error!, (e) => (Math.abs(e) <= delta ? (e * e) / 2 : delta * (Math.abs(e) - delta / 2))),
    draw: aroundDelta,
  });
});

test("accuracy is the share of images whose largest logit is the target's, and has no gradient", async () => {
  const [logits, targets] = [input("logits", [4, 3]), input("targets", [4, 3])];
  const share = accuracy(logits, targets);
  const found = await runOnce(
    { share },
    {
      logits: Float32Array.of(3, 1, 2, /**/ 0, -1, -2, /**/ -5, -4, -3, /**/ 1, 9, 8),
      targets: Float32Array.of(1, 0, 0, /**/ 0, 1, 0, /**/ 0, 0, 1, /**/ 0, 1, 0),
    },
  );
  expect(found.share![0]).toBe(0.75);
  expect(() => gradients(share, [logits])).toThrow("does not depend on target 0");
});
