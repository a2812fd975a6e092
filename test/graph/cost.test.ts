import { expect, test } from "vitest";
import { batchNorm } from "../../src/graph/batchnorm.ts";
import { multiplyAccumulates } from "../../src/graph/cost.ts";
import { add, multiply, relu } from "../../src/graph/elementwise.ts";
import * as inference from "../../src/graph/inference.ts";
import { linear, matMul } from "../../src/graph/linear.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";

const x = input("x", [2, 4, 6, 8]);
const features = input("features", [3, 10]);
const bias = input("bias", [6]);
const statistics = [input("gamma", [4]), input("beta", [4]), input("mean", [4]), input("variance", [4])] as const;

const cases: readonly (readonly [string, Tensor, number])[] = [
  // images * outputs * pixels * weights of one output
  ["conv2d 3x3", inference.conv2d(x, input("w", [6, 4, 3, 3]), { bias }), 2 * 6 * 48 * (4 * 9)],
  ["conv2d 3x3, stride 2", inference.conv2d(x, input("w", [6, 4, 3, 3]), { stride: 2 }), 2 * 6 * 12 * (4 * 9)],
  ["conv2d 1x1", inference.conv2d(x, input("w", [6, 4, 1, 1])), 2 * 6 * 48 * 4],
  ["conv2d 3x3, 2 groups", inference.conv2d(x, input("w", [6, 2, 3, 3]), { groups: 2 }), 2 * 6 * 48 * (2 * 9)],
  ["conv2d depthwise", inference.conv2d(x, input("w", [4, 1, 3, 3]), { groups: 4 }), 2 * 4 * 48 * 9],
  ["linear", linear(features, input("w", [6, 10]), bias), 3 * 6 * 10],
  ["matMul", matMul(input("a", [5, 3, 7]), input("b", [5, 7, 2])), 5 * 3 * 2 * 7],
  ["everything else", relu(inference.batchNorm(inference.maxPool(x), ...statistics)), 0],
  ["batchNorm in training", batchNorm(input("maps", [6, 8, 4, 2]), statistics[0], statistics[1]).y, 0],
  ["an input", x, 0],
];

test.each(cases)("multiplyAccumulates of %s", (_, result, macs) => {
  expect(multiplyAccumulates([result])).toBe(macs);
});

test("a node that several results need is counted once", () => {
  const shared = linear(features, input("w", [6, 10])); // 180
  const head = linear(relu(shared), input("head", [2, 6])); // 3 * 2 * 6
  expect(multiplyAccumulates([shared, head, add(multiply(shared, shared), shared)])).toBe(180 + 36);
});
