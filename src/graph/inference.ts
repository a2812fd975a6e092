/**
 * The operators of a network as it is used: maps are [B, C, H, W] and each operator is one ONNX node, which the runtime fuses with
 * its neighbours and whose constant weights it packs into its own layout. No gradients: for those see `conv.ts`, `pool.ts`
 * and `batchnorm.ts`, which compute the same.
 */

import { BATCH_NORM_EPSILON, checkBatchNorm } from "./batchnorm.ts";
import { reshape } from "./broadcast.ts";
import { type ConvOptions, checkConv } from "./conv.ts";
import { add, divide, multiply, sqrt, subtract } from "./elementwise.ts";
import { checkPool } from "./pool.ts";
import { node, type Shape, scalar, type Tensor } from "./tensor.ts";

/** [B, C, H, W] -> [B, O, ceil(H / stride), ceil(W / stride)], see `conv.ts`. */
export function conv2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  const { stride = 1, groups = 1, bias } = options;
  checkConv(x.shape[1]!, x, weight, options);
  const [batch, , height, width] = x.shape as [number, number, number, number];
  const [out, , kernel] = weight.shape as [number, number, number];
  const pad = (kernel - 1) / 2;
  const attributes = {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: Array(4).fill(pad),
    group: groups,
  };
  const shape = [batch, out, Math.ceil(height / stride), Math.ceil(width / stride)];
  return node("Conv", bias ? [x, weight, bias] : [x, weight], attributes, shape, x.type);
}

/**
 * y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, all of these [C].
 *
 * @param x [B, C], [B, C, H, W], or maps with their channels elsewhere
 * @param channelAxis of x
 */
export function batchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  mean: Tensor,
  variance: Tensor,
  channelAxis = 1,
  epsilon = BATCH_NORM_EPSILON,
): Tensor {
  checkBatchNorm(x.shape[channelAxis]!, x, gamma, beta);
  const slope = divide(gamma, sqrt(add(variance, scalar(epsilon))));
  const stretched: Shape = [x.shape[channelAxis]!, ...x.shape.slice(channelAxis + 1).map(() => 1)];
  const offset = subtract(beta, multiply(mean, slope));
  return add(multiply(x, reshape(slope, stretched)), reshape(offset, stretched));
}

/** [B, C, H, W] -> [B, C, floor(H / size), floor(W / size)] */
export function maxPool(x: Tensor, size = 2): Tensor {
  return pool("maxPool", x, size);
}

/** [B, C, H, W] -> [B, C, floor(H / size), floor(W / size)] */
export function averagePool(x: Tensor, size = 2): Tensor {
  return pool("averagePool", x, size);
}

function pool(name: "maxPool" | "averagePool", x: Tensor, size: number): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  checkPool(name, x, [height, width], size);
  const operator = name === "maxPool" ? "MaxPool" : "AveragePool";
  const shape = [batch, channels, Math.floor(height / size), Math.floor(width / size)];
  return node(operator, [x], { kernel_shape: [size, size], strides: [size, size] }, shape, x.type);
}

/** [B, C, H, W] -> [B, C] */
export function globalAveragePool(x: Tensor): Tensor {
  return globalPool("GlobalAveragePool", x);
}

/** [B, C, H, W] -> [B, C] */
export function globalMaxPool(x: Tensor): Tensor {
  return globalPool("GlobalMaxPool", x);
}

/** By name and not as a reduction, so that the runtime need not take the map out of its own layout first. */
function globalPool(operator: string, x: Tensor): Tensor {
  const [batch, channels] = x.shape as [number, number];
  return reshape(node(operator, [x], {}, [batch, channels, 1, 1], x.type), [batch, channels]);
}
