import { reshape } from "./broadcast.ts";
import { add, divide, maximum, multiply, scale, sqrt, subtract } from "./elementwise.ts";
import { reduceMean, reduceSumSquare } from "./reduce.ts";
import {
  constant,
  differentiable,
  node,
  sameShape,
  scalar,
  show,
  sizeOf,
  stopGradient,
  type Tensor,
} from "./tensor.ts";

/** Added to the variance. */
export const BATCH_NORM_EPSILON = 1e-5;

export interface BatchNormResult {
  /** of x's shape */
  readonly y: Tensor;
  /** [C] mean of the batch, for the running statistics. No gradient. */
  readonly mean: Tensor;
  /** [C] unbiased variance of the batch, for the running statistics. No gradient. */
  readonly variance: Tensor;
}

/**
 * Training: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with the statistics of this batch.
 *
 * Written as y = x * a + b with two numbers per channel, so that the values are read and written once. The gradient has
 * the same form, dx = a * dy + p * x + q: both sums that p and q need are taken first.
 *
 * @param x [H, W, C, B] or [B, C]
 * @param gamma [C]
 * @param beta [C]
 * @param bias [C] of the convolution before it, not added to x: y does not depend on it, only the mean that is returned does
 * @param epsilon added to the variance
 * @see Ioffe and Szegedy (2015). Variance as E[x^2] - E[x]^2: one pass, exact enough where the mean is not much larger than the deviation
 */
export function batchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  bias?: Tensor,
  epsilon = BATCH_NORM_EPSILON,
): BatchNormResult {
  const channelAxis = x.shape.length === 4 ? 2 : 1;
  checkBatchNorm(x.shape[channelAxis]!, x, gamma, beta);
  const axes = x.shape.flatMap((_, i) => (i === channelAxis ? [] : [i]));
  const count = sizeOf(x.shape) / x.shape[channelAxis]!;
  const mean = reduceMean(x, axes); // [C]
  const meanSquare = scale(reduceSumSquare(x, axes), 1 / count);
  const variance = maximum(subtract(meanSquare, multiply(mean, mean)), scalar(0)); // rounding may leave less than zero
  const deviation = sqrt(add(variance, scalar(epsilon)));
  const slope = divide(gamma, deviation); // [C]
  const value = affine(x, slope, subtract(beta, multiply(mean, slope)));
  const nothing = constant(new Float32Array(sizeOf(gamma.shape))); // [C], the gradient to the bias
  const y = differentiable(value, [x, gamma, beta, ...(bias ? [bias] : [])], (dy) => {
    const meanDy = reduceMean(dy, axes);
    const meanDyX = reduceMean(multiply(dy, x), axes);
    const covariance = subtract(meanDyX, multiply(meanDy, mean)); // mean of dy * (x - mean), [C]
    const p = scale(divide(multiply(slope, covariance), multiply(deviation, deviation)), -1);
    const q = scale(add(multiply(slope, meanDy), multiply(p, mean)), -1);
    const dx = add(multiply(dy, perChannel(slope, x)), affine(x, p, q));
    return [dx, scale(divide(covariance, deviation), count), scale(meanDy, count), nothing];
  });
  const unbiased = scale(variance, count / Math.max(1, count - 1));
  return { y, mean: stopGradient(bias ? add(mean, bias) : mean), variance: stopGradient(unbiased) };
}

/**
 * slope * x + offset, per channel [C]. Maps as a depthwise convolution of width 1 along the batch, which reads and writes once
 * where a product and a sum do it twice. No gradient.
 */
function affine(x: Tensor, slope: Tensor, offset: Tensor): Tensor {
  if (x.shape.length === 2) return add(multiply(x, slope), offset);
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const rows = reshape(x, [height * width, channels, batch]);
  const inputs = [rows, reshape(slope, [channels, 1, 1]), offset];
  return reshape(node("Conv", inputs, { kernel_shape: [1], group: channels }, rows.shape), x.shape);
}

/** One number per channel, shaped to go with x. */
function perChannel(values: Tensor, x: Tensor): Tensor {
  return x.shape.length === 4 ? reshape(values, [values.shape[0]!, 1]) : values;
}

/** @param channels of x */
export function checkBatchNorm(channels: number, x: Tensor, gamma: Tensor, beta: Tensor): void {
  const isMap = x.shape.length === 4 || x.shape.length === 2;
  if (isMap && sameShape(gamma.shape, [channels]) && sameShape(beta.shape, [channels])) return;
  throw new RangeError(
    `batchNorm: x of 2 or 4 axes with gamma and beta [C] expected, found ${show(x.shape)}, ${show(gamma.shape)} and ${show(beta.shape)}`,
  );
}
