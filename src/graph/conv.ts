import { reshape } from "./broadcast.ts";
import { depthwiseConv } from "./depthwise.ts";
import { add } from "./elementwise.ts";
import { transpose } from "./layout.ts";
import { matMul } from "./linear.ts";
import { type Matrix, mapPlane } from "./plane.ts";
import { sameShape, show, type Tensor } from "./tensor.ts";
import { winogradConv } from "./winograd.ts";

export interface ConvOptions {
  readonly stride?: 1 | 2;
  /** Channels are cut into this many groups that do not see each other; C means depthwise. Default 1. */
  readonly groups?: number;
  readonly bias?: Tensor;
}

/** Below this many channels Winograd's transforms cost more than the products that they save (docs/experiments/training-step.md). */
const CHANNELS_FOR_WINOGRAD = 16;

/**
 * Cross-correlation with zero padding of (kernel - 1) / 2, so that stride 1 keeps H and W and stride 2 halves them, rounding up:
 * y[i, j, o, b] = bias[o] + sum over c, u, v of weight[o, c, u, v] x[stride i + u - pad, stride j + v - pad, c, b]
 *
 * @param x [H, W, C, B]
 * @param weight [O, C / groups, kernel, kernel], kernel 1 or 3
 * @returns [ceil(H / stride), ceil(W / stride), O, B]
 * @throws {RangeError} if a shape does not fit
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  const { stride = 1, groups = 1, bias } = options;
  checkConv(x.shape.length === 4 ? x.shape[2]! : 0, x, weight, options);
  const isDepthwise = weight.shape[2] === 3 && groups === x.shape[2] && groups === weight.shape[0];
  const isWinograd = weight.shape[2] === 3 && stride === 1 && groups === 1 && x.shape[2]! >= CHANNELS_FOR_WINOGRAD;
  const y = isDepthwise
    ? depthwiseConv(x, weight, stride)
    : isWinograd
      ? winogradConv(x, weight)
      : directConv(x, weight, stride, groups);
  return bias ? add(y, reshape(bias, [bias.shape[0]!, 1])) : y;
}

/**
 * @param channels of x
 * @throws {RangeError} if the shapes of a convolution do not fit
 */
export function checkConv(channels: number, x: Tensor, weight: Tensor, { groups = 1, bias }: ConvOptions): void {
  const [out, channelsPerGroup, kernel] = weight.shape as [number, number, number];
  if (x.shape.length !== 4 || weight.shape.length !== 4 || (kernel !== 1 && kernel !== 3) || weight.shape[3] !== kernel)
    throw new RangeError(
      `conv2d: maps of 4 axes and weight [O, C/groups, k, k] with k 1 or 3 expected, found ${show(x.shape)} and ${show(weight.shape)}`,
    );
  if (channels !== channelsPerGroup * groups || out % groups !== 0)
    throw new RangeError(
      `conv2d: weight ${show(weight.shape)} in ${groups} groups expects ${channelsPerGroup * groups} input channels ` +
        `and a multiple of ${groups} output channels, found ${channels} (x is ${show(x.shape)})`,
    );
  if (bias && !sameShape(bias.shape, [out]))
    throw new RangeError(`conv2d: bias [${out}] expected, found ${show(bias.shape)}`);
}

/** One product per pixel of the weights and the pixel's neighbourhood, [O, k k C] x [k k C, B], group by group. */
function directConv(x: Tensor, weight: Tensor, stride: number, groups: number): Tensor {
  const [out, perGroup, kernel] = weight.shape as [number, number, number];
  const batch = x.shape[3]!;
  const columns = neighbourhoods(x, kernel, stride); // [H', W', k k, C, B]
  const [height, width, taps] = columns.shape as [number, number, number];
  const pixels = height * width;
  const apart = reshape(columns, [pixels, taps, groups, perGroup, batch]);
  const grouped = groups === 1 ? apart : transpose(apart, [0, 2, 1, 3, 4]);
  const filters = transpose(reshape(weight, [groups, out / groups, perGroup, taps]), [0, 1, 3, 2]);
  const products = matMul(
    reshape(filters, [1, groups, out / groups, taps * perGroup]),
    reshape(grouped, [pixels, groups, taps * perGroup, batch]),
  ); // [H' W', G, O / G, B]
  return reshape(products, [height, width, out, batch]);
}

/** Each pixel's k x k neighbourhood, [H', W', k k, C, B]: picked by matrices of zeros and ones. */
function neighbourhoods(x: Tensor, kernel: number, stride: number): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  if (kernel === 1 && stride === 1) return reshape(x, [height, width, 1, channels, batch]);
  const [rows, columns] = [pickMatrix(height, kernel, stride), pickMatrix(width, kernel, stride)];
  const [down, right] = [rows.length / kernel, columns.length / kernel];
  const picked = reshape(mapPlane(x, rows, columns), [down, kernel, right, kernel, channels, batch]);
  return reshape(transpose(picked, [0, 2, 1, 3, 4, 5]), [down, right, kernel * kernel, channels, batch]);
}

/** [size' k, size]: row k i + u has a one at pixel stride i + u - pad; a row whose pixel lies outside is zero. */
function pickMatrix(size: number, kernel: number, stride: number): Matrix {
  const pad = (kernel - 1) / 2;
  return Array.from({ length: Math.ceil(size / stride) * kernel }, (_, row) => {
    const from = stride * Math.floor(row / kernel) + (row % kernel) - pad;
    return Array.from({ length: size }, (_, pixel) => Number(pixel === from));
  });
}
