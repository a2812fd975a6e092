/**
 * Depthwise convolutions: one filter per channel. With the batch innermost, a neighbour along W is B numbers away: seen as
 * [C, H, W B], a map has its neighbours at the distances that `Conv` calls dilations, 1 down and B across, so that one node does it.
 */
import { reshape } from "./broadcast.ts";
import { concat, everyNth, pad, slice, transpose } from "./layout.ts";
import { matMul, swapLast } from "./linear.ts";
import { constant, differentiable, node, type Tensor } from "./tensor.ts";
import { type Along, type Window, windowsAlong } from "./window.ts";

/** Square and odd, without gaps, and no more zeros around than half of it. */
export function isDepthwiseWindow({ down, right }: Window): boolean {
  const half = (down.kernel - 1) / 2;
  const fits = ({ kernel, dilation, before, after }: Along): boolean =>
    kernel === down.kernel && dilation === 1 && before <= half && after <= half;
  return down.kernel % 2 === 1 && fits(down) && fits(right);
}

/**
 * y[i, j, c, b] = sum over u, v of weight[c, 0, u, v] x[stride i + u - before, stride j + v - before, c, b], zero outside.
 * What a stride leaves out, or fewer zeros around, is left out afterwards.
 *
 * @param x [H, W, C, B]
 * @param weight [C, 1, k, k]
 * @param window see `isDepthwiseWindow`
 * @returns [H', W', C, B]
 */
export function depthwiseConv(x: Tensor, weight: Tensor, { down, right }: Window): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const rows = reshape(transpose(x, [2, 0, 1, 3]), [channels, height, width * batch]); // [C, H, W B]
  const y = reshape(filtered(rows, weight, batch), [channels, height, width, batch]);
  const map = transpose(y, [1, 2, 0, 3]);
  return [down, right].reduce((left, along, axis) => {
    const count = windowsAlong(x.shape[axis]!, along);
    return everyNth(left, axis, (along.kernel - 1) / 2 - along.before, along.stride, count);
  }, map);
}

/** @param x [C, H, W B] @param weight [C, 1, k, k] @returns [C, H, W B] */
function filtered(x: Tensor, weight: Tensor, batch: number): Tensor {
  const [channels, height, row] = x.shape as [number, number, number];
  const kernel = weight.shape[2]!;
  const half = (kernel - 1) / 2;
  const attributes = {
    kernel_shape: [kernel, kernel],
    dilations: [1, batch],
    pads: [half, half * batch, half, half * batch],
    group: channels,
  };
  const y = node("Conv", [reshape(x, [1, channels, height, row]), weight], attributes, [1, channels, height, row]);
  return differentiable(reshape(y, x.shape), [x, weight], (dy) => [
    filtered(dy, turned(weight), batch),
    filterGradient(x, dy, kernel, batch),
  ]);
}

/** Every filter turned by half a circle. */
function turned(weight: Tensor): Tensor {
  const [channels, , kernel] = weight.shape as [number, number, number];
  const taps = kernel ** 2;
  const backwards = Array.from({ length: taps ** 2 }, (_, i) => Number((i % taps) + Math.floor(i / taps) === taps - 1));
  return reshape(matMul(reshape(weight, [channels, taps]), constant(backwards, [taps, taps])), weight.shape);
}

/**
 * dWeight[c, 0, u, v] = sum over h, w, b of x[c, h + u - half, w + v - half, b] dy[c, h, w, b]: for each v the products of all rows
 * of x, shifted by v - half pixels, with all rows of dy, of which those that lie u - half apart are summed.
 */
function filterGradient(x: Tensor, dy: Tensor, kernel: number, batch: number): Tensor {
  const [channels, height, row] = x.shape as [number, number, number];
  const half = (kernel - 1) / 2;
  const wide = pad(x, [0, 0, half * batch], [0, 0, half * batch]);
  const products = Array.from({ length: kernel }, (_, v) => {
    const shifted = slice(wide, 2, v * batch, v * batch + row);
    return reshape(matMul(shifted, swapLast(dy)), [channels, 1, height * height]); // [C, 1, H H]
  });
  const apart = Array.from({ length: height * height * kernel }, (_, i) => {
    const [pair, u] = [Math.floor(i / kernel), i % kernel];
    return Number(Math.floor(pair / height) === (pair % height) + u - half);
  });
  const sums = matMul(concat(products, 1), constant(apart, [height * height, kernel])); // [C, v, u]
  return reshape(swapLast(sums), [channels, 1, kernel, kernel]);
}
