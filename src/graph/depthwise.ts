/**
 * Depthwise convolutions: one 3x3 filter per channel. With the batch innermost, a neighbour along W is B numbers away: seen as
 * [C, H, W B], a map has its neighbours at the distances that `Conv` calls dilations, 1 down and B across, so that one node does it.
 */
import { reshape } from "./broadcast.ts";
import { concat, pad, slice, transpose } from "./layout.ts";
import { matMul, swapLast } from "./linear.ts";
import { constant, differentiable, integers, node, type Tensor } from "./tensor.ts";

/**
 * y[i, j, c, b] = sum over u, v of weight[c, 0, u, v] x[stride i + u - 1, stride j + v - 1, c, b], zero outside.
 * A stride of 2 leaves out every second row and column afterwards.
 *
 * @param x [H, W, C, B]
 * @param weight [C, 1, 3, 3]
 * @returns [ceil(H / stride), ceil(W / stride), C, B]
 */
export function depthwiseConv(x: Tensor, weight: Tensor, stride: 1 | 2): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const rows = reshape(transpose(x, [2, 0, 1, 3]), [channels, height, width * batch]); // [C, H, W B]
  const y = reshape(filtered(rows, weight, batch), [channels, height, width, batch]);
  const map = transpose(y, [1, 2, 0, 3]);
  return stride === 1 ? map : everySecond(map);
}

/** @param x [C, H, W B] @param weight [C, 1, 3, 3] @returns [C, H, W B] */
function filtered(x: Tensor, weight: Tensor, batch: number): Tensor {
  const [channels, height, row] = x.shape as [number, number, number];
  const attributes = { kernel_shape: [3, 3], dilations: [1, batch], pads: [1, batch, 1, batch], group: channels };
  const y = node("Conv", [reshape(x, [1, channels, height, row]), weight], attributes, [1, channels, height, row]);
  return differentiable(reshape(y, x.shape), [x, weight], (dy) => [
    filtered(dy, turned(weight), batch),
    filterGradient(x, dy, batch),
  ]);
}

/** Every filter turned by half a circle. */
function turned(weight: Tensor): Tensor {
  const backwards = Array.from({ length: 81 }, (_, i) => Number((i % 9) + Math.floor(i / 9) === 8));
  const [channels] = weight.shape as [number];
  return reshape(matMul(reshape(weight, [channels, 9]), constant(backwards, [9, 9])), weight.shape);
}

/**
 * dWeight[c, 0, u, v] = sum over h, w, b of x[c, h + u - 1, w + v - 1, b] dy[c, h, w, b]: for each v the products of all rows of x,
 * shifted by v - 1 pixels, with all rows of dy, of which those that lie u - 1 apart are summed.
 */
function filterGradient(x: Tensor, dy: Tensor, batch: number): Tensor {
  const [channels, height, row] = x.shape as [number, number, number];
  const wide = pad(x, [0, 0, batch], [0, 0, batch]);
  const products = [0, 1, 2].map((v) => {
    const shifted = slice(wide, 2, v * batch, v * batch + row);
    return reshape(matMul(shifted, swapLast(dy)), [channels, 1, height * height]); // [C, 1, H H]
  });
  const apart = Array.from({ length: height * height * 3 }, (_, i) => {
    const [pair, u] = [Math.floor(i / 3), i % 3];
    return Number(Math.floor(pair / height) === (pair % height) + u - 1);
  });
  const sums = matMul(concat(products, 1), constant(apart, [height * height, 3])); // [C, v, u]
  return reshape(swapLast(sums), [channels, 1, 3, 3]);
}

/** Rows and columns 0, 2, 4, ... @param x [H, W, C, B] @returns [ceil(H / 2), ceil(W / 2), C, B] */
function everySecond(x: Tensor): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const [tall, wide] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  const inputs = [x, integers([0, 0]), integers([height, width]), integers([0, 1]), integers([2, 2])];
  const y = node("Slice", inputs, {}, [tall, wide, channels, batch]);
  return differentiable(y, [x], (dy) => {
    const apart = pad(reshape(dy, [tall, 1, wide, 1, channels * batch]), [0, 0, 0, 0, 0], [0, 1, 0, 1, 0]);
    const spread = reshape(apart, [2 * tall, 2 * wide, channels, batch]);
    return [slice(slice(spread, 0, 0, height), 1, 0, width)];
  });
}
