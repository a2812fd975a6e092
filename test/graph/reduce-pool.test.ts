import { describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import * as inference from "../../src/graph/inference.ts";
import { batchLast } from "../../src/graph/plane.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "../../src/graph/pool.ts";
import { reduceMax, reduceMean, reduceSumSquare } from "../../src/graph/reduce.ts";
import { constant, input, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { onBatchLast } from "./batch-last.ts";
import { checkValueAndGradients, checkValueWithoutGradient, distinct, runOnce } from "./check.ts";
import { type Dense, largest, mean, pool, reduce, sum } from "./reference.ts";

type Pool = (x?: Dense) => Dense;

// Neighbouring axes are reduced by one node, others by one for each run of neighbours.
const SHAPE: Shape = [2, 3, 4];
const LONG: Shape = [2, 3, 2, 4, 2];
const reductions: readonly { axes: number[]; keepAxes: boolean; shape?: Shape }[] = [
  { axes: [0], keepAxes: false },
  { axes: [1], keepAxes: true },
  { axes: [0, 2], keepAxes: false },
  { axes: [2, 1], keepAxes: true },
  { axes: [-1], keepAxes: false },
  { axes: [0, 1, 2], keepAxes: false },
  { axes: [0, 2], keepAxes: true },
  { axes: [0, -1], keepAxes: false },
  { axes: [0, 1, 3], keepAxes: false, shape: LONG },
  { axes: [3, 0, 1], keepAxes: true, shape: LONG },
  { axes: [1, 3, 4], keepAxes: false, shape: LONG },
  { axes: [0, 2, 4], keepAxes: false, shape: LONG },
  { axes: [-1, 2, 0], keepAxes: true, shape: LONG },
  { axes: [0, 1, 2, 4], keepAxes: false, shape: LONG },
];

describe.each(reductions)("over axes $axes, kept: $keepAxes", ({ axes, keepAxes, shape = SHAPE }) => {
  const positives = axes.map((axis) => (axis < 0 ? axis + shape.length : axis));

  test("reduceSum and its gradient", async () => {
    await checkValueAndGradients({
      shapes: [shape],
      graph: (x) => reduceSum(x!, axes, keepAxes),
      reference: (x) => reduce(x!, positives, keepAxes, sum),
    });
  });

  test("reduceMean and its gradient", async () => {
    await checkValueAndGradients({
      shapes: [shape],
      graph: (x) => reduceMean(x!, axes, keepAxes),
      reference: (x) => reduce(x!, positives, keepAxes, mean),
    });
  });

  test("reduceMax has a value and no gradient", async () => {
    await checkValueWithoutGradient({
      shapes: [shape],
      graph: (x) => reduceMax(x!, axes, keepAxes),
      reference: (x) => reduce(x!, positives, keepAxes, largest),
    });
  });
});

test.each([[[2]], [[0]], [[2, 0]], [[-1, 1]], [[0, 1, 2]]])(
  "reduceSumSquare over %j has a value and no gradient",
  async (axes) => {
    const positives = axes.map((axis) => (axis + 3) % 3);
    await checkValueWithoutGradient({
      shapes: [SHAPE],
      graph: (x) => reduceSumSquare(x!, axes),
      reference: (x) => reduce(x!, positives, false, (values) => sum(values.map((one) => one * one))),
    });
  },
);

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
  { x: [2, 2, 5, 7], size: 2 },
  { x: [1, 2, 4, 3], size: 2 },
  { x: [1, 2, 5, 8], size: 3 },
])("pooling of $x by $size", ({ x, size }) => {
  const [ofLargest, ofMeans] = [largest, mean].map((f) => (x?: Dense) => pool(x!, size, f)) as [Pool, Pool];

  test("maxPool and its gradient", async () => {
    const graph = (x?: Tensor) => onBatchLast(x!, (maps) => maxPool(maps, size));
    await checkValueAndGradients({ shapes: [x], graph, reference: ofLargest, draw: distinct });
  });

  test("averagePool and its gradient", async () => {
    const graph = (x?: Tensor) => onBatchLast(x!, (maps) => averagePool(maps, size));
    await checkValueAndGradients({ shapes: [x], graph, reference: ofMeans });
  });

  test("both for inference have a value and no gradient", async () => {
    const graphs = [(x?: Tensor) => inference.maxPool(x!, size), (x?: Tensor) => inference.averagePool(x!, size)];
    await checkValueWithoutGradient({ shapes: [x], graph: graphs[0]!, reference: ofLargest });
    await checkValueWithoutGradient({ shapes: [x], graph: graphs[1]!, reference: ofMeans });
  });
});

describe("over all pixels", () => {
  const shapes: readonly Shape[] = [[2, 3, 3, 5]];
  const [ofLargest, ofMeans] = [largest, mean].map((f) => (x?: Dense) => reduce(x!, [2, 3], false, f)) as [Pool, Pool];

  test("globalAveragePool and its gradient", async () => {
    const graph = (x?: Tensor) => onBatchLast(x!, globalAveragePool);
    await checkValueAndGradients({ shapes, graph, reference: ofMeans });
  });

  test("globalMaxPool and its gradient", async () => {
    const graph = (x?: Tensor) => onBatchLast(x!, globalMaxPool);
    await checkValueAndGradients({ shapes, graph, reference: ofLargest, draw: distinct });
  });

  test("both for inference have a value and no gradient", async () => {
    await checkValueWithoutGradient({ shapes, graph: (x) => inference.globalAveragePool(x!), reference: ofMeans });
    await checkValueWithoutGradient({ shapes, graph: (x) => inference.globalMaxPool(x!), reference: ofLargest });
  });
});

test("at a tie every largest value gets the whole gradient, as documented", async () => {
  const x = input("x", [1, 1, 2, 2]);
  const maps = batchLast(x);
  const [pooled] = gradients(reduceSum(multiply(maxPool(maps), constant([3], []))), [x]);
  const [global] = gradients(reduceSum(multiply(globalMaxPool(maps), constant([3], []))), [x]);
  const found = await runOnce({ pooled: pooled!, global: global! }, { x: Float32Array.of(5, 1, 5, -2) });
  expect([...found.pooled!]).toEqual([3, 0, 3, 0]);
  expect([...found.global!]).toEqual([3, 0, 3, 0]);
});
