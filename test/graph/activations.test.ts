import { expect, test } from "vitest";
import { clip, erf, hardSigmoid, hardSwish, leakyRelu, tanh } from "../../src/graph/activations.ts";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { awayFromZero, checkValueAndGradients, type Draw, runOnce } from "./check.ts";
import * as reference from "./reference.ts";

/** Between bounds and beyond them, never within 0.05 of one. */
const aroundBounds: Draw = (random, size) =>
  awayFromZero(random, size).map((value) => value * 0.7 + Math.sign(value) * 0.15);

const clipped = (x: number, least: number, most: number): number => Math.min(Math.max(x, least), most);
const hard = (x: number): number => clipped(x / 6 + 0.5, 0, 1);

const activations: readonly [string, (x: Tensor) => Tensor, (x: number) => number, Draw?][] = [
  ["clip to -1..1", (x) => clip(x, -1, 1), (x) => clipped(x, -1, 1)],
  ["clip to 0..6", (x) => clip(x, 0, 6), (x) => clipped(x, 0, 6)],
  ["clip below alone", (x) => clip(x, 0, Number.POSITIVE_INFINITY), (x) => Math.max(x, 0)],
  ["clip above alone", (x) => clip(x, Number.NEGATIVE_INFINITY, 1), (x) => Math.min(x, 1)],
  ["leakyRelu", (x) => leakyRelu(x, 0.1), (x) => (x > 0 ? x : 0.1 * x)],
  ["hardSigmoid", (x) => hardSigmoid(x, 0.7, 0.5), (x) => clipped(0.7 * x + 0.5, 0, 1)],
  ["hardSwish", (x) => hardSwish(x), (x) => x * hard(x)],
  ["tanh", tanh, Math.tanh],
  ["erf", erf, reference.erf],
];

test.each(activations)("%s and its gradient", async (_, graph, formula, draw = aroundBounds) => {
  await checkValueAndGradients({
    shapes: [[3, 17]],
    draw,
    graph: (x) => graph(x!),
    reference: (x) => reference.map(x!, formula),
  });
});

test("at a bound no gradient passes, just inside it all of it does", async () => {
  const x = input("x", [6]);
  const [slope] = gradients(reduceSum(clip(x, 0, 6)), [x]);
  const { d } = await runOnce({ d: slope! }, { x: Float32Array.of(0, 1e-30, 1e-6, 5.999999, 6, 7) });
  expect([...d!]).toEqual([0, 1, 1, 1, 0, 0]);
});
