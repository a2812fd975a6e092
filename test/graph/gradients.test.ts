import { describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { add, exp, log, multiply, relu, scale, sigmoid } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { linear } from "../../src/graph/linear.ts";
import { crossEntropy } from "../../src/graph/loss.ts";
import { constant, differentiable, input, scalar, stopGradient, variable } from "../../src/graph/tensor.ts";
import { anywhere, checkValueAndGradients, positive, runOnce } from "./check.ts";
import { map, zip } from "./reference.ts";

const THREE = Float32Array.of(0.5, -1, 2);

describe("a tensor used more than once gets the sum over its ways to the loss", () => {
  test("both factors of a product", async () => {
    await checkValueAndGradients({
      shapes: [[4]],
      graph: (x) => multiply(x!, x!),
      reference: (x) => map(x!, (value) => value * value),
    });
  });

  test("a diamond, and a way that skips it", async () => {
    await checkValueAndGradients({
      shapes: [[4], [4]],
      graph: (x, y) => {
        const product = multiply(x!, y!);
        return add(add(exp(product), sigmoid(product)), add(product, x!));
      },
      reference: (x, y) => zip(x!, y!, (a, b) => Math.exp(a * b) + 1 / (1 + Math.exp(-a * b)) + a * b + a),
    });
  });

  test("a chain of sums, each of two ways: 2^20 of them, visited once each", async () => {
    const x = input("x", [1]);
    let y = x;
    for (let i = 0; i < 20; i++) y = add(y, y);
    const found = await runOnce({ d: gradients(reduceSum(y), [x])[0]! }, { x: Float32Array.of(1) });
    expect(found.d![0]).toBe(2 ** 20);
  });
});

test("targets may lie between input and loss, and be the loss", async () => {
  const x = input("x", [3]);
  const middle = multiply(x, x);
  const loss = reduceSum(log(middle));
  const [dMiddle, dLoss] = gradients(loss, [middle, loss]);
  const found = await runOnce({ dMiddle: dMiddle!, dLoss: dLoss! }, { x: THREE });
  expect([...found.dMiddle!]).toEqual([4, 1, 0.25]);
  expect([...found.dLoss!]).toEqual([1]);
});

test("a gradient may be differentiated again: the second derivative of exp(x^2)", async () => {
  await checkValueAndGradients({
    shapes: [[4]],
    graph: (x) => gradients(reduceSum(exp(multiply(x!, x!))), [x!])[0]!,
    reference: (x) => map(x!, (value) => 2 * value * Math.exp(value * value)),
    draw: (random, size) => anywhere(random, size).map((value) => Math.tanh(value)),
  });
});

test("parts of the graph that no target leads to are not differentiated", async () => {
  const [x, w] = [input("x", [3]), variable("w", [3], THREE)];
  const neverAsked = differentiable(scale(x, 2), [x], () => {
    throw new Error("asked");
  });
  const [slope] = gradients(reduceSum(multiply(neverAsked, w)), [w]);
  const found = await runOnce({ slope: slope! }, { x: THREE });
  expect([...found.slope!]).toEqual([1, -2, 4]);
});

test("a whole two-layer classifier: every parameter at once", async () => {
  const rectify = (value: number): number => Math.max(value, 0);
  await checkValueAndGradients({
    shapes: [[2, 3], [4, 3], [4], [3, 4], [3]],
    graph: (x, w1, b1, w2, b2) => {
      const hidden = relu(linear(x!, w1!, b1));
      return crossEntropy(linear(hidden, w2!, b2), constant([1, 0, 0, 0, 0, 1], [2, 3]));
    },
    reference: (x, w1, b1, w2, b2) => {
      let loss = 0;
      for (const [image, label] of [0, 2].entries()) {
        const hidden = [0, 1, 2, 3].map((o) =>
          rectify(b1!.data[o]! + [0, 1, 2].reduce((t, i) => t + w1!.data[o * 3 + i]! * x!.data[image * 3 + i]!, 0)),
        );
        const logits = [0, 1, 2].map(
          (k) => b2!.data[k]! + hidden.reduce((t, value, o) => t + w2!.data[k * 4 + o]! * value, 0),
        );
        const total = logits.reduce((t, logit) => t + Math.exp(logit), 0);
        loss -= Math.log(Math.exp(logits[label]!) / total) / 2;
      }
      return { shape: [], data: Float64Array.of(loss) };
    },
    draw: positive, // every unit well above zero, where relu has no kink
  });
});

describe("stopGradient", () => {
  test("keeps the value and stops the way back", async () => {
    const x = input("x", [3]);
    const y = multiply(stopGradient(multiply(x, x)), x); // x^3, whose slope is x^2 when x^2 is a constant
    const found = await runOnce({ y, d: gradients(reduceSum(y), [x])[0]! }, { x: THREE });
    expect([...found.y!]).toEqual([0.125, -1, 8]);
    expect([...found.d!]).toEqual([0.25, 1, 4]);
  });

  test("where it is the only way, the loss does not depend on the target", () => {
    const x = input("x", [3]);
    expect(() => gradients(reduceSum(stopGradient(exp(x))), [x])).toThrow(RangeError);
    expect(() => gradients(reduceSum(stopGradient(x)), [x])).toThrow(RangeError);
  });
});

describe("errors", () => {
  const x = input("x", [2, 3]);

  test("a loss that is not a scalar", () => {
    expect(() => gradients(exp(x), [x])).toThrow(new RangeError("gradients: scalar loss expected, found [2, 3]"));
  });

  test("a target that the loss does not depend on, with its place among the targets", () => {
    expect(() => gradients(reduceSum(x), [x, input("other", [7])])).toThrow(
      new RangeError("gradients: loss does not depend on target 1 of shape [7]"),
    );
    expect(() => gradients(scalar(1), [x])).toThrow("does not depend on target 0 of shape [2, 3]");
  });
});
