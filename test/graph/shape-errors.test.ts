import { expect, test } from "vitest";
import { batchNorm } from "../../src/graph/batchnorm.ts";
import { expand, reduceSum, reshape } from "../../src/graph/broadcast.ts";
import { conv2d } from "../../src/graph/conv.ts";
import { dropout } from "../../src/graph/dropout.ts";
import { add, compare, divide, maximum } from "../../src/graph/elementwise.ts";
import * as inference from "../../src/graph/inference.ts";
import { concat, pad, slice, transpose } from "../../src/graph/layout.ts";
import { linear, matMul } from "../../src/graph/linear.ts";
import { accuracy, crossEntropy, distillation } from "../../src/graph/loss.ts";
import { mapPlane } from "../../src/graph/plane.ts";
import { averagePool, maxPool } from "../../src/graph/pool.ts";
import { reduceMax, reduceMean } from "../../src/graph/reduce.ts";
import { constant, input, type Shape, type Tensor, variable } from "../../src/graph/tensor.ts";

let count = 0;
const x = (...shape: number[]): Tensor => input(`x${count++}`, shape as Shape);

/** What is done wrong, and the whole message: where, what was expected, what was found. */
const mistakes: readonly (readonly [() => unknown, string])[] = [
  [
    () => conv2d(x(32, 32, 16, 8), x(64, 32, 3, 3)),
    "conv2d: weight [64, 32, 3, 3] in 1 groups expects 32 input channels and a multiple of 1 output channels, found 16 (x is [32, 32, 16, 8])",
  ],
  [
    () => conv2d(x(5, 5, 4, 1), x(3, 2, 3, 3), { groups: 2 }),
    "conv2d: weight [3, 2, 3, 3] in 2 groups expects 4 input channels and a multiple of 2 output channels, found 4 (x is [5, 5, 4, 1])",
  ],
  [
    () => conv2d(x(5, 5, 4, 1), x(3, 4, 5, 5)),
    "conv2d: maps of 4 axes and weight [O, C/groups, k, k] with k 1 or 3 expected, found [5, 5, 4, 1] and [3, 4, 5, 5]",
  ],
  [
    () => conv2d(x(5, 5, 4, 1), x(3, 4, 3, 1)),
    "conv2d: maps of 4 axes and weight [O, C/groups, k, k] with k 1 or 3 expected, found [5, 5, 4, 1] and [3, 4, 3, 1]",
  ],
  [
    () => conv2d(x(5, 5, 4), x(3, 4, 3, 3)),
    "conv2d: maps of 4 axes and weight [O, C/groups, k, k] with k 1 or 3 expected, found [5, 5, 4] and [3, 4, 3, 3]",
  ],
  [() => conv2d(x(5, 5, 4, 1), x(3, 4, 1, 1), { bias: x(4) }), "conv2d: bias [3] expected, found [4]"],
  [
    () => inference.conv2d(x(8, 16, 32, 32), x(64, 32, 3, 3)),
    "conv2d: weight [64, 32, 3, 3] in 1 groups expects 32 input channels and a multiple of 1 output channels, found 16 (x is [8, 16, 32, 32])",
  ],
  [
    () => inference.conv2d(x(4, 5, 5), x(3, 4, 3, 3)),
    "conv2d: maps of 4 axes and weight [O, C/groups, k, k] with k 1 or 3 expected, found [4, 5, 5] and [3, 4, 3, 3]",
  ],
  [() => inference.conv2d(x(1, 4, 5, 5), x(3, 4, 1, 1), { bias: x(4) }), "conv2d: bias [3] expected, found [4]"],
  [
    () => mapPlane(x(4, 5, 2), [[1, 0, 0, 0]], [[0, 1, 0, 0, 0]]),
    "mapPlane: x [H, W, C, B] with matrices [P, H] and [Q, W] expected, found [4, 5, 2], [1, 4] and [1, 5]",
  ],
  [
    () => mapPlane(x(4, 5, 2, 1), [[1, 0, 0]], [[0, 1, 0, 0, 0]]),
    "mapPlane: x [H, W, C, B] with matrices [P, H] and [Q, W] expected, found [4, 5, 2, 1], [1, 3] and [1, 5]",
  ],
  [
    () =>
      mapPlane(
        x(2, 3, 2, 1),
        [
          [1, 0],
          [0, 1],
        ],
        [[1, 0]],
      ),
    "mapPlane: x [H, W, C, B] with matrices [P, H] and [Q, W] expected, found [2, 3, 2, 1], [2, 2] and [1, 2]",
  ],
  [() => linear(x(2, 4), x(3, 5)), "linear: x [B, 5] expected for weight [3, 5], found [2, 4]"],
  [() => linear(x(2, 5, 1), x(3, 5)), "linear: x [B, 5] expected for weight [3, 5], found [2, 5, 1]"],
  [() => linear(x(2, 5), x(3, 5), x(5)), "linear: bias [3] expected, found [5]"],
  [() => matMul(x(2, 3), x(2, 3)), "matMul: [..., M, K] and [..., K, N] expected, found [2, 3] and [2, 3]"],
  [() => matMul(x(3), x(3, 2)), "matMul: [..., M, K] and [..., K, N] expected, found [3] and [3, 2]"],
  [() => matMul(x(2, 3, 4), x(5, 4, 3)), "matMul: shapes that broadcast expected, found [2] and [5]"],
  [() => add(x(2, 3), x(2)), "Add: shapes that broadcast expected, found [2, 3] and [2]"],
  [() => divide(x(2, 3), x(3, 2)), "Div: shapes that broadcast expected, found [2, 3] and [3, 2]"],
  [() => maximum(x(4), x(3)), "Max: shapes that broadcast expected, found [4] and [3]"],
  [() => compare(x(4), "Less", x(3)), "Less: shapes that broadcast expected, found [4] and [3]"],
  [
    () => batchNorm(x(2, 3, 4), x(3), x(3)),
    "batchNorm: x of 2 or 4 axes with gamma and beta [C] expected, found [2, 3, 4], [3] and [3]",
  ],
  [
    () => batchNorm(x(2, 3), x(2), x(3)),
    "batchNorm: x of 2 or 4 axes with gamma and beta [C] expected, found [2, 3], [2] and [3]",
  ],
  [
    () => batchNorm(x(4, 4, 3, 2), x(2), x(2)),
    "batchNorm: x of 2 or 4 axes with gamma and beta [C] expected, found [4, 4, 3, 2], [2] and [2]",
  ],
  [
    () => inference.batchNorm(x(2, 3, 4, 4), x(4), x(4), x(3), x(3)),
    "batchNorm: x of 2 or 4 axes with gamma and beta [C] expected, found [2, 3, 4, 4], [4] and [4]",
  ],
  [
    () => inference.batchNorm(x(2, 3), x(3), x(1), x(3), x(3)),
    "batchNorm: x of 2 or 4 axes with gamma and beta [C] expected, found [2, 3], [3] and [1]",
  ],
  [() => maxPool(x(1, 4, 2, 1)), "maxPool: maps of 4 axes with H and W of at least 2 expected, found [1, 4, 2, 1]"],
  [
    () => averagePool(x(6, 2, 2, 1), 3),
    "averagePool: maps of 4 axes with H and W of at least 3 expected, found [6, 2, 2, 1]",
  ],
  [() => maxPool(x(4, 4)), "maxPool: maps of 4 axes with H and W of at least 2 expected, found [4, 4]"],
  [
    () => inference.maxPool(x(1, 2, 1, 4)),
    "maxPool: maps of 4 axes with H and W of at least 2 expected, found [1, 2, 1, 4]",
  ],
  [
    () => inference.averagePool(x(1, 2, 6, 2), 3),
    "averagePool: maps of 4 axes with H and W of at least 3 expected, found [1, 2, 6, 2]",
  ],
  [() => reshape(x(2, 3), [7]), "reshape: 6 values in [2, 3] expected, found [7]"],
  [() => transpose(x(2, 3), [0]), "transpose: an order of the 2 axes expected, found [0]"],
  [() => transpose(x(2, 3), [1, 1]), "transpose: an order of the 2 axes expected, found [1, 1]"],
  [() => transpose(x(2, 3), [0, 2]), "transpose: an order of the 2 axes expected, found [0, 2]"],
  [() => concat([x(2, 3), x(3, 3)], 1), "concat: shapes equal except along axis 1 expected, found [2, 3] and [3, 3]"],
  [() => concat([x(2, 3), x(3)], 0), "concat: shapes equal except along axis 0 expected, found [2, 3] and [3]"],
  [() => concat([x(2, 3)], 2), "concat: axis between -2 and 1 expected, found 2"],
  [() => slice(x(2, 5), 1, 3, 6), "slice: 0 <= from < to <= 5 expected, found 3 and 6"],
  [() => slice(x(2, 5), 1, 2, 2), "slice: 0 <= from < to <= 5 expected, found 2 and 2"],
  [() => slice(x(2, 5), -3, 0, 1), "slice: axis between -2 and 1 expected, found -3"],
  [() => pad(x(2, 5), [1], [1, 2]), "pad: 2 sizes before and after expected, found [1] and [1, 2]"],
  [() => expand(x(2, 1), [3, 4]), "expand: [2, 1] with sizes of 1 made larger expected, found [3, 4]"],
  [() => expand(x(3), [2, 3]), "expand: [3] with sizes of 1 made larger expected, found [2, 3]"],
  [() => reduceSum(x(2, 5), [2]), "ReduceSum: axis between -2 and 1 expected, found 2"],
  [() => reduceSum(x(2, 5, 3), [0, -3]), "ReduceSum: axes that differ expected, found [0, -3] of [2, 5, 3]"],
  [() => reduceMean(x(2, 5), [0.5]), "ReduceMean: axis between -2 and 1 expected, found 0.5"],
  [() => reduceMax(x(), [0]), "ReduceMax: axis between 0 and -1 expected, found 0"],
  [() => crossEntropy(x(2, 5), x(2, 4)), "crossEntropy: two tensors of one shape expected, found [2, 5] and [2, 4]"],
  [() => distillation(x(2, 5), x(3, 5)), "distillation: two tensors of one shape expected, found [2, 5] and [3, 5]"],
  [() => accuracy(x(2, 5), x(2)), "accuracy: two tensors of one shape expected, found [2, 5] and [2]"],
  [() => dropout(x(2, 5), 1, "coins"), "dropout: rate in [0, 1) expected, found 1"],
  [() => dropout(x(2, 5), Number.NaN, "coins"), "dropout: rate in [0, 1) expected, found NaN"],
  [
    () => dropout(x(2, 5), 0.5, "coins", "channels"),
    "dropout: x [H, W, C, B] expected for whole channels, found [2, 5]",
  ],
  [
    () => variable("conv1.weight", [2, 3], new Float32Array(5)).source.initial(),
    "variable conv1.weight: [2, 3] expects 6 initial values, found 5",
  ],
  [() => constant([1, 2, 3], [2, 2]), "constant: [2, 2] expects 4 values, found 3"],
];

test.each(mistakes.map(([mistake, message]) => [message, mistake] as const))("%s", (message, mistake) => {
  expect(mistake).toThrow(new RangeError(message));
});
