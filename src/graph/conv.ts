import { gather, reshape, slice, transpose } from "./layout.ts";
import { matMul } from "./linear.ts";
import { reduceSum } from "./reduce.ts";
import { constant, differentiable, integers, node, sameShape, show, type Tensor } from "./tensor.ts";

export interface ConvOptions {
  readonly stride?: 1 | 2;
  /** Channels are cut into this many groups that do not see each other; C means depthwise. Default 1. */
  readonly groups?: number;
  readonly bias?: Tensor;
}

/** Everything that the two gradients need to know. */
interface ConvGeometry {
  readonly kernel: 1 | 3;
  readonly stride: 1 | 2;
  readonly groups: number;
}

/**
 * Cross-correlation with zero padding of (kernel - 1) / 2, so that stride 1 keeps H and W and stride 2 halves them, rounding up:
 * y[b, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] x[b, c, stride i + u - pad, stride j + v - pad]
 *
 * @param x [B, C, H, W]
 * @param weight [O, C / groups, kernel, kernel], kernel 1 or 3
 * @returns [B, O, ceil(H / stride), ceil(W / stride)]
 * @throws {RangeError} if a shape does not fit
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  const { stride = 1, groups = 1, bias } = options;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [out, channelsPerGroup, kernel] = weight.shape as [number, number, number];
  if (x.shape.length !== 4 || weight.shape.length !== 4 || (kernel !== 1 && kernel !== 3) || weight.shape[3] !== kernel)
    throw new RangeError(
      `conv2d: x [B, C, H, W] and weight [O, C/groups, k, k] with k 1 or 3 expected, found ${show(x.shape)} and ${show(weight.shape)}`,
    );
  if (channels !== channelsPerGroup * groups || out % groups !== 0)
    throw new RangeError(
      `conv2d: weight ${show(weight.shape)} in ${groups} groups expects ${channelsPerGroup * groups} input channels ` +
        `and a multiple of ${groups} output channels, found ${channels} (x is ${show(x.shape)})`,
    );
  if (bias && !sameShape(bias.shape, [out]))
    throw new RangeError(`conv2d: bias [${out}] expected, found ${show(bias.shape)}`);
  const geometry: ConvGeometry = { kernel, stride, groups };
  const shape = [batch, out, Math.ceil(height / stride), Math.ceil(width / stride)];
  const inputs = bias ? [x, weight, bias] : [x, weight];
  return differentiable(node("Conv", inputs, attributes(geometry), shape), inputs, (dy) => [
    inputGradient(dy, x, weight, geometry),
    weightGradient(dy, x, weight, geometry),
    ...(bias ? [reduceSum(dy, [0, 2, 3])] : []),
  ]);
}

function attributes({ kernel, stride, groups }: ConvGeometry) {
  const pad = (kernel - 1) / 2;
  return { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad], group: groups };
}

/**
 * Stride 1: a convolution of dy with the weights turned by 180 degrees and with in and out swapped inside each group;
 * the runtime's forward kernel is its fastest. Stride 2: `ConvTranspose`, which is defined as this gradient.
 */
function inputGradient(dy: Tensor, x: Tensor, weight: Tensor, geometry: ConvGeometry): Tensor {
  const { kernel, stride, groups } = geometry;
  if (stride === 2) {
    const outputPadding = [2, 3].map((axis) => x.shape[axis]! - ((dy.shape[axis]! - 1) * 2 + 1));
    return node("ConvTranspose", [dy, weight], { ...attributes(geometry), output_padding: outputPadding }, x.shape);
  }
  const [out, perGroup] = weight.shape as [number, number];
  const taps = kernel * kernel;
  const flat = reshape(weight, [groups, out / groups, perGroup, taps]); // [G, O/G, C/G, taps]
  const turned = kernel === 1 ? flat : gather(flat, integers([...Array(taps).keys()].reverse()), 3);
  const swapped = transpose(turned, [0, 2, 1, 3]); // [G, C/G, O/G, taps]
  const flipped = reshape(swapped, [groups * perGroup, out / groups, kernel, kernel]);
  return node("Conv", [dy, flipped], attributes(geometry), x.shape);
}

/**
 * dW[o, (c, u, v)] = sum over b, i, j of dy[b, o, i, j] * columns[b, (c, u, v), i, j].
 *
 * Large maps: one product per image and group, then a sum over the batch. Small maps would give products too short
 * to be fast; there the batch joins the sum of one long product. The border between the two is measured
 * (BENCHMARKS.md), the result is the same.
 */
function weightGradient(dy: Tensor, x: Tensor, weight: Tensor, geometry: ConvGeometry): Tensor {
  const { kernel, groups } = geometry;
  const [batch, out, height, width] = dy.shape as [number, number, number, number];
  const area = height * width;
  const perGroup = weight.shape[1]! * kernel * kernel;
  const columns = imageToColumns(x, geometry); // [B, C * taps, H, W]
  if (groups === 1 && area < 144) {
    const rows = (t: Tensor, channels: number): Tensor =>
      reshape(transpose(reshape(t, [batch, channels, area]), [1, 0, 2]), [channels, batch * area]);
    return reshape(matMul(rows(dy, out), transpose(rows(columns, perGroup), [1, 0])), weight.shape);
  }
  const grouped = reshape(dy, [batch, groups, out / groups, area]);
  const groupedColumns = reshape(columns, [batch, groups, perGroup, area]);
  const perImage = matMul(grouped, transpose(groupedColumns, [0, 1, 3, 2])); // [B, G, O/G, C/G * taps]
  return reshape(reduceSum(perImage, [0]), weight.shape);
}

/** Each pixel's neighbourhood as channels, [B, C * taps, H', W'], by a depthwise convolution with one-hot kernels. */
function imageToColumns(x: Tensor, { kernel, stride }: ConvGeometry): Tensor {
  if (kernel === 1) return stride === 1 ? x : slice(slice(x, 2, 0, x.shape[2]!, 2), 3, 0, x.shape[3]!, 2);
  const channels = x.shape[1]!;
  const oneHot = new Float32Array(channels * 81);
  for (let row = 0; row < channels * 9; row++) oneHot[row * 9 + (row % 9)] = 1;
  const shape = [x.shape[0]!, channels * 9, Math.ceil(x.shape[2]! / stride), Math.ceil(x.shape[3]! / stride)];
  const kernels = constant(oneHot, [channels * 9, 1, 3, 3]);
  return node("Conv", [x, kernels], attributes({ kernel, stride, groups: channels }), shape);
}
