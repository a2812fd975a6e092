import { reshape } from "./broadcast.ts";
import { depthwiseConv, isDepthwiseWindow } from "./depthwise.ts";
import { add } from "./elementwise.ts";
import { transpose } from "./layout.ts";
import { matMul } from "./linear.ts";
import { sameShape, show, type Tensor } from "./tensor.ts";
import { isPlain, neighbourhoods, sameAlong, type Window } from "./window.ts";
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
  const side = weight.shape[2]!;
  const along = sameAlong(side, stride);
  return windowConv(x, weight, { down: along, right: along }, groups, bias);
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

/**
 * Cross-correlation with any window: y[i, j, o, b] = bias[o] + sum over c, u, v of weight[o, c, u, v] x[p, q, c, b], where
 * p = stride i + dilation u - pad and q likewise; x is zero outside. What is usual goes the way that is fastest.
 *
 * @param x [H, W, C, B]
 * @param weight [O, C / groups, kernel, kernel]
 * @returns [H', W', O, B], see `windowsAlong`
 * @throws {RangeError} if a shape does not fit
 */
export function windowConv(x: Tensor, weight: Tensor, window: Window, groups = 1, bias?: Tensor): Tensor {
  const [out, perGroup, ...kernel] = weight.shape as [number, number, number, number];
  const channels = x.shape[2]!;
  if (x.shape.length !== 4 || weight.shape.length !== 4 || channels !== perGroup * groups || out % groups !== 0)
    throw new RangeError(
      `windowConv: x [H, W, ${perGroup * groups}, B] and weight [O, C / ${groups}, k, k] expected, ` +
        `found ${show(x.shape)} and ${show(weight.shape)}`,
    );
  if (window.down.kernel !== kernel[0] || window.right.kernel !== kernel[1])
    throw new RangeError(
      `windowConv: a window of ${window.down.kernel} x ${window.right.kernel} expected, found weight ${show(weight.shape)}`,
    );
  const isWinograd = isPlain(window, 3) && groups === 1 && channels >= CHANNELS_FOR_WINOGRAD;
  const y =
    groups === channels && out === groups && isDepthwiseWindow(window)
      ? depthwiseConv(x, weight, window)
      : isWinograd
        ? winogradConv(x, weight)
        : directConv(x, weight, window, groups);
  return bias ? add(y, reshape(bias, [out, 1])) : y;
}

/** One product per pixel of the weights and the pixel's neighbourhood, [O, k k C] x [k k C, B], group by group. */
function directConv(x: Tensor, weight: Tensor, window: Window, groups: number): Tensor {
  const [out, perGroup] = weight.shape as [number, number];
  const batch = x.shape[3]!;
  const columns = neighbourhoods(x, window); // [H', W', k k, C, B]
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
