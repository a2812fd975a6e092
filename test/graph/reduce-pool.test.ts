import { describe, expect, test } from "vitest";
import { multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "../../src/graph/pool.ts";
import { reduceMax, reduceMean, reduceSum } from "../../src/graph/reduce.ts";
import { constant, input, type Shape } from "../../src/graph/tensor.ts";
import { checkValueAndGradients, checkValueWithoutGradient, distinct, runOnce } from "./check.ts";
import { largest, mean, pool, reduce, sum } from "./reference.ts";

const SHAPE: Shape = [2, 3, 4];
const reductions = [
  { axes: [0], keepAxes: false },
  { axes: [1], keepAxes: true },
  { axes: [0, 2], keepAxes: false },
  { axes: [2, 1], keepAxes: true },
  { axes: [-1], keepAxes: false },
  { axes: [0, 1, 2], keepAxes: false },
];

describe.each(reductions)("over axes $axes, kept: $keepAxes", ({ axes, keepAxes }) => {
  const positives = axes.map((axis) => (axis < 0 ? axis + SHAPE.length : axis));

  test("reduceSum and its gradient", async () => {
    await checkValueAndGradients({
      shapes: [SHAPE],
      graph: (x) => reduceSum(x!, axes, keepAxes),
      reference: (x) => reduce(x!, positives, keepAxes, sum),
    });
  });

  test("reduceMean and its gradient", async () => {
    await checkValueAndGradients({
      shapes: [SHAPE],
      graph: (x) => reduceMean(x!, axes, keepAxes),
      reference: (x) => reduce(x!, positives, keepAxes, mean),
    });
  });

  test("reduceMax has a value and no gradient", async () => {
    await checkValueWithoutGradient({
      shapes: [SHAPE],
      graph: (x) => reduceMax(x!, axes, keepAxes),
      reference: (x) => reduce(x!, positives, keepAxes, largest),
    });
  });
});

test("without axes, everything is reduced to a scalar", async () => {
  const x = constant([1, 2, 3, 6], [2, 2]);
  const found = await runOnce(
    { sum: reduceSum(x), mean: reduceMean(x), max: reduceMax(x), one: reduceSum(reduceSum(x)) },
    {},
  );
  expect(found).toEqual({
    sum: Float32Array.of(12),
    mean: Float32Array.of(3),
    max: Float32Array.of(6),
    one: Float32Array.of(12),
  });
});

describe.each([
  { x: [2, 3, 4, 6], size: 2 },
  { x: [1, 2, 3, 6], size: 3 },
])("pooling of $x by $size", ({ x, size }) => {
  test("maxPool and its gradient", async () => {
    await checkValueAndGradients({
      shapes: [x],
      graph: (x) => maxPool(x!, size),
      reference: (x) => pool(x!, size, largest),
      draw: distinct,
    });
  });

  test("averagePool and its gradient", async () => {
    await checkValueAndGradients({
      shapes: [x],
      graph: (x) => averagePool(x!, size),
      reference: (x) => pool(x!, size, mean),
    });
  });
});

test("globalAveragePool and its gradient", async () => {
  await checkValueAndGradients({
    shapes: [[2, 3, 3, 5]],
    graph: (x) => globalAveragePool(x!),
    reference: (x) => reduce(x!, [2, 3], false, mean),
  });
});

test("globalMaxPool and its gradient", async () => {
  await checkValueAndGradients({
    shapes: [[2, 3, 3, 5]],
    graph: (x) => globalMaxPool(x!),
    reference: (x) => reduce(x!, [2, 3], false, largest),
    draw: distinct,
  });
});

test("at a tie every largest value gets the whole gradient, as documented", async () => {
  const x = input("x", [1, 1, 2, 2]);
  const [pooled] = gradients(reduceSum(multiply(maxPool(x), constant([3], []))), [x]);
  const [global] = gradients(reduceSum(multiply(globalMaxPool(x), constant([3], []))), [x]);
  const found = await runOnce({ pooled: pooled!, global: global! }, { x: Float32Array.of(5, 1, 5, -2) });
  expect([...found.pooled!]).toEqual([3, 0, 3, 0]);
  expect([...found.global!]).toEqual([3, 0, 3, 0]);
});
