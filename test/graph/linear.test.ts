import { expect, test } from "vitest";
import { addPerChannel, linear, matMul } from "../../src/graph/linear.ts";
import { constant, input, type Shape } from "../../src/graph/tensor.ts";
import { checkValueAndGradients, runOnce } from "./check.ts";
import * as reference from "./reference.ts";

const products: readonly (readonly [Shape, Shape])[] = [
  [
    [3, 4],
    [4, 5],
  ],
  [
    [1, 7],
    [7, 1],
  ],
  [
    [2, 3, 4],
    [2, 4, 5],
  ],
  [
    [2, 3, 2, 4],
    [2, 3, 4, 3],
  ],
  [
    [2, 3, 4],
    [4, 5],
  ],
  [
    [2, 2, 3, 4],
    [4, 2],
  ],
  // leading axes that one side lacks, or has once
  [
    [3, 4],
    [2, 4, 5],
  ],
  [
    [3, 4],
    [2, 3, 4, 2],
  ],
  [
    [1, 3, 4],
    [2, 4, 5],
  ],
  [
    [2, 3, 4],
    [1, 4, 5],
  ],
  [
    [3, 2, 4],
    [2, 1, 4, 3],
  ],
  [
    [2, 1, 3, 4],
    [1, 3, 4, 2],
  ],
  [
    [1, 2, 1, 2, 2, 3],
    [2, 2, 3, 2, 3, 2],
  ],
];

test.each(products)("matMul and its gradients: %j x %j", async (a, b) => {
  await checkValueAndGradients({
    shapes: [a, b],
    graph: (a, b) => matMul(a!, b!),
    reference: (a, b) => reference.matMul(a!, b!),
  });
});

test.each([true, false])("linear and its gradients, bias: %s", async (hasBias) => {
  await checkValueAndGradients({
    shapes: hasBias
      ? [[3, 5], [4, 5], [4]]
      : [
          [3, 5],
          [4, 5],
        ],
    graph: (x, weight, bias) => linear(x!, weight!, bias),
    reference: (x, weight, bias) =>
      reference.dense([3, 4], (b, o) => {
        let total = bias ? bias.data[o!]! : 0;
        for (let i = 0; i < 5; i++) total += reference.at(x!, b!, i) * reference.at(weight!, o!, i);
        return total;
      }),
  });
});

const images: readonly Shape[] = [
  [2, 3],
  [2, 3, 4, 5],
];

test.each(images.map((shape) => ({ shape })))("addPerChannel and its gradients: $shape", async ({ shape }) => {
  await checkValueAndGradients({
    shapes: [shape, [3]],
    graph: (x, bias) => addPerChannel(x!, bias!),
    reference: (x, bias) => reference.dense(shape, (...index) => reference.at(x!, ...index) + bias!.data[index[1]!]!),
  });
});

test("by hand: x = [[1, 2], [3, 4]] times [[1, 0], [2, -1]], as a product and as a layer of that weight with bias [10, 20]", async () => {
  const x = input("x", [2, 2]);
  const weight = constant([1, 0, 2, -1], [2, 2]);
  const layer = linear(x, weight, constant([10, 20]));
  const shifted = addPerChannel(x, constant([10, 20]));
  const found = await runOnce({ product: matMul(x, weight), layer, shifted }, { x: Float32Array.of(1, 2, 3, 4) });
  expect([...found.product!]).toEqual([5, -2, 11, -4]);
  expect([...found.layer!]).toEqual([11, 20, 13, 22]); // rows of the weight are outputs
  expect([...found.shifted!]).toEqual([11, 22, 13, 24]);
});
