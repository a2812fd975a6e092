/**
 * The operators of a training step whose gradients were made fast, written plainly: every one composed of elementary operators,
 * so that its gradient is nobody's cleverness but the chain rule. Maps are [H, W, C, B].
 */

import { BATCH_NORM_EPSILON } from "../../src/graph/batchnorm.ts";
import { reshape } from "../../src/graph/broadcast.ts";
import type { ConvOptions } from "../../src/graph/conv.ts";
import { add, compare, divide, multiply, scale, sqrt, subtract } from "../../src/graph/elementwise.ts";
import { slice, transpose } from "../../src/graph/layout.ts";
import { matMul } from "../../src/graph/linear.ts";
import { reduceMean } from "../../src/graph/reduce.ts";
import { constant, scalar, sizeOf, stopGradient, type Tensor } from "../../src/graph/tensor.ts";

/** Nine shifted copies of x, each times its own matrix [C, O], added up. */
export function conv2d(x: Tensor, weight: Tensor, { stride = 1, groups = 1, bias }: ConvOptions = {}): Tensor {
  const [out, channels, kernel] = weight.shape as [number, number, number, number];
  if (groups !== 1) throw new RangeError("simple conv2d: one group expected");
  const pad = (kernel - 1) / 2;
  const taps = reshape(weight, [out, channels, kernel * kernel]);
  let sum: Tensor | null = null;
  for (let tap = 0; tap < kernel * kernel; tap++) {
    const shifted = pick(x, Math.floor(tap / kernel) - pad, (tap % kernel) - pad, stride); // [H', W', C, B]
    const matrix = transpose(reshape(slice(taps, 2, tap, tap + 1), [out, channels]), [1, 0]); // [C, O]
    const part = transpose(matMul(transpose(shifted, [0, 1, 3, 2]), matrix), [0, 1, 3, 2]); // [H', W', O, B]
    sum = sum ? add(sum, part) : part;
  }
  return bias ? add(sum!, reshape(bias, [out, 1])) : sum!;
}

/** y[i, j, ..] = x[stride i + down, stride j + right, ..], 0 outside: products with matrices of zeros and ones. */
function pick(x: Tensor, down: number, right: number, stride: number): Tensor {
  const along = (t: Tensor, order: readonly number[], shift: number): Tensor => {
    const turned = transpose(t, order); // the axis comes last; each order is its own inverse
    const size = turned.shape[3]!;
    const picked = Math.ceil(size / stride);
    const matrix = new Float32Array(size * picked);
    for (let i = 0; i < picked; i++) {
      const from = stride * i + shift;
      if (from >= 0 && from < size) matrix[from * picked + i] = 1;
    }
    return transpose(matMul(turned, constant(matrix, [size, picked])), order);
  };
  return along(along(x, [3, 1, 2, 0], down), [0, 3, 2, 1], right);
}

/** Mean, deviation and all, as the definition has it. */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor) {
  const isMap = x.shape.length === 4;
  const channels = isMap ? x.shape[2]! : x.shape[1]!;
  const axes = isMap ? [0, 1, 3] : [0];
  const perChannel = (t: Tensor): Tensor => (isMap ? reshape(t, [channels, 1]) : t);
  const count = sizeOf(x.shape) / channels;
  const mean = reduceMean(x, axes, true);
  const centred = subtract(x, mean);
  const variance = reduceMean(multiply(centred, centred), axes, true);
  const normal = divide(centred, sqrt(add(variance, scalar(BATCH_NORM_EPSILON))));
  return {
    y: add(multiply(normal, perChannel(gamma)), perChannel(beta)),
    mean: stopGradient(reshape(mean, [channels])),
    variance: stopGradient(scale(reshape(variance, [channels]), count / Math.max(1, count - 1))),
  };
}

export function relu(x: Tensor): Tensor {
  return multiply(x, compare(x, "Greater", scalar(0)));
}

function larger(a: Tensor, b: Tensor): Tensor {
  const isA = compare(a, "GreaterOrEqual", b);
  return add(multiply(a, isA), multiply(b, subtract(scalar(1), isA)));
}

/** The larger of each two, three times. */
export function maxPool(x: Tensor, size = 2): Tensor {
  if (size !== 2) throw new RangeError("simple maxPool: squares of 2 expected");
  return larger(larger(pick(x, 0, 0, 2), pick(x, 0, 1, 2)), larger(pick(x, 1, 0, 2), pick(x, 1, 1, 2)));
}

/** The larger of each pixel and the largest so far. */
export function globalMaxPool(x: Tensor): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const pixels = reshape(x, [height * width, channels, batch]);
  let largest = slice(pixels, 0, 0, 1);
  for (let i = 1; i < height * width; i++) largest = larger(largest, slice(pixels, 0, i, i + 1));
  return transpose(reshape(largest, [channels, batch]), [1, 0]);
}
