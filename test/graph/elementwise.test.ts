import { describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import * as graph from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { input, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import {
  anywhere,
  awayFromZero,
  checkValueAndGradients,
  checkValueWithoutGradient,
  type Draw,
  positive,
  runOnce,
} from "./check.ts";
import * as reference from "./reference.ts";

interface Unary {
  readonly name: string;
  readonly graph: (x: Tensor) => Tensor;
  readonly formula: (x: number) => number;
  readonly draw?: Draw;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const unary: readonly Unary[] = [
  { name: "negate", graph: graph.negate, formula: (x) => -x },
  { name: "scale", graph: (x) => graph.scale(x, -2.5), formula: (x) => -2.5 * x },
  { name: "exp", graph: graph.exp, formula: Math.exp },
  { name: "log", graph: graph.log, formula: Math.log, draw: positive },
  { name: "sqrt", graph: graph.sqrt, formula: Math.sqrt, draw: positive },
  { name: "relu", graph: graph.relu, formula: (x) => Math.max(x, 0), draw: awayFromZero },
  { name: "sigmoid", graph: graph.sigmoid, formula: sigmoid },
  { name: "silu", graph: graph.silu, formula: (x) => x * sigmoid(x) },
  { name: "gelu", graph: graph.gelu, formula: (x) => (x / 2) * (1 + reference.erf(x / Math.SQRT2)) },
];

test.each(unary)("$name and its gradient", async ({ graph, formula, draw = anywhere }) => {
  await checkValueAndGradients({
    shapes: [[3, 7]],
    graph: (x) => graph(x!),
    reference: (x) => reference.map(x!, formula),
    draw,
  });
});

test("relu passes nothing on where its input is not above zero", async () => {
  const x = input("x", [4]);
  const [slope] = gradients(reduceSum(graph.relu(x)), [x]);
  const { d } = await runOnce({ d: slope! }, { x: Float32Array.of(-2, 0, 1e-30, 3) });
  expect([...d!]).toEqual([0, 0, 1, 1]);
});

describe("far from zero", () => {
  const cases: readonly (readonly [string, (x: Tensor) => Tensor, number[], number[]])[] = [
    ["sigmoid", graph.sigmoid, [0, 1], [0, 0]],
    ["silu", graph.silu, [0, 90], [0, 1]],
    ["gelu", graph.gelu, [0, 90], [0, 1]],
  ];

  test.each(cases)("%s is its own limit, and so is its slope", async (_, activation, values, slopes) => {
    const x = input("x", [2]);
    const y = activation(x);
    const found = await runOnce({ y, d: gradients(reduceSum(y), [x])[0]! }, { x: Float32Array.of(-90, 90) });
    expect([...found.y!, ...found.d!].map((value) => Math.abs(value))).toEqual([...values, ...slopes]);
  });
});

const shapePairs: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[3], [2, 3]],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [2, 1],
    [1, 3],
  ],
  [[2, 3], []],
  [[], [2, 3]],
  [[3], [1, 3]],
];

describe.each(shapePairs)("with broadcasting: %j and %j", (left, right) => {
  test.each([
    { name: "add", graph: graph.add, reference: reference.add, draw: anywhere },
    { name: "subtract", graph: graph.subtract, reference: reference.subtract, draw: anywhere },
    { name: "multiply", graph: graph.multiply, reference: reference.multiply, draw: anywhere },
    { name: "divide", graph: graph.divide, reference: reference.divide, draw: awayFromHalf },
  ])("$name and its gradients", async ({ graph, reference, draw }) => {
    await checkValueAndGradients({
      shapes: [left, right],
      graph: (a, b) => graph(a!, b!),
      reference: (a, b) => reference(a!, b!),
      draw: [anywhere, draw],
    });
  });
});

test.each([
  { name: "maximum", graph: graph.maximum, formula: Math.max },
  { name: "minimum", graph: graph.minimum, formula: Math.min },
])("$name has a value and no gradient", async ({ graph, formula }) => {
  await checkValueWithoutGradient({
    shapes: [[4, 5], [5]],
    graph: (a, b) => graph(a!, b!),
    reference: (a, b) => reference.zip(a!, b!, formula),
  });
});

const threshold: Draw = (_, size) => Float32Array.from({ length: size }, (_, i) => (i % 3) - 1);

test.each([
  { operator: "Equal" as const, holds: (a: number, b: number) => a === b },
  { operator: "Greater" as const, holds: (a: number, b: number) => a > b },
  { operator: "GreaterOrEqual" as const, holds: (a: number, b: number) => a >= b },
  { operator: "Less" as const, holds: (a: number, b: number) => a < b },
])("compare $operator is 1 where it holds and has no gradient", async ({ operator, holds }) => {
  await checkValueWithoutGradient({
    shapes: [[9], [1]],
    graph: (a, b) => graph.compare(a!, operator, b!),
    reference: (a, b) => reference.zip(a!, b!, (x, y) => (holds(x, y) ? 1 : 0)),
    draw: [threshold, () => Float32Array.of(0)],
  });
});

/** 0.5 to 2 on either side of zero: small divisors would make the quotient's slope too steep for float32. */
function awayFromHalf(...[random, size]: Parameters<Draw>): Float32Array {
  return positive(random, size).map((value, i) => (i % 2 === 0 ? value : -value));
}
