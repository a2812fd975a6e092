import { add, divide, maximum, multiply, scale, sqrt, subtract } from "./elementwise.ts";
import { reshape } from "./layout.ts";
import { addPerChannel, multiplyPerChannel } from "./linear.ts";
import { reduceMean } from "./reduce.ts";
import {
  differentiable,
  node,
  type Shape,
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
 * @param x [B, C, H, W] or [B, C]
 * @param gamma [C]
 * @param beta [C]
 * @see Ioffe and Szegedy (2015). Variance as E[x^2] - E[x]^2: one pass, exact enough where the mean is not much larger than the deviation
 */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor): BatchNormResult {
  const { axes, perChannel, count } = layout("batchNorm", x, gamma, beta);
  const mean = reduceMean(x, axes); // [C]
  const meanSquare = reduceMean(multiply(x, x), axes);
  const variance = maximum(subtract(meanSquare, multiply(mean, mean)), scalar(0)); // rounding may leave less than zero
  const deviation = sqrt(add(variance, scalar(BATCH_NORM_EPSILON)));
  const slope = divide(gamma, deviation); // [C]
  const value = affine(x, slope, subtract(beta, multiply(mean, slope)));
  const y = differentiable(value, [x, gamma, beta], (dy) => {
    const meanDy = reduceMean(dy, axes);
    const meanDyX = reduceMean(multiply(dy, x), axes);
    const covariance = subtract(meanDyX, multiply(meanDy, mean)); // mean of dy * (x - mean), [C]
    const p = scale(divide(multiply(slope, covariance), multiply(deviation, deviation)), -1);
    const q = scale(add(multiply(slope, meanDy), multiply(p, mean)), -1);
    const dx = add(multiply(dy, perChannel(slope)), affine(x, p, q));
    return [dx, scale(divide(covariance, deviation), count), scale(meanDy, count)];
  });
  const unbiased = scale(variance, count / Math.max(1, count - 1));
  return { y, mean: stopGradient(mean), variance: stopGradient(unbiased) };
}

/** Inference: the same with fixed statistics [C]. */
export function batchNormInference(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor): Tensor {
  layout("batchNorm", x, gamma, beta);
  const slope = divide(gamma, sqrt(add(variance, scalar(BATCH_NORM_EPSILON))));
  return affine(x, slope, subtract(beta, multiply(mean, slope)));
}

/**
 * slope * x + offset, per channel [C]. On maps worth it as a depthwise 1x1 convolution, which reads and writes once where
 * a product and a sum do it twice. No gradient.
 */
function affine(x: Tensor, slope: Tensor, offset: Tensor): Tensor {
  const [, channels, height = 1, width = 1] = x.shape as [number, number, number?, number?];
  if (height * width < 64) return addPerChannel(multiplyPerChannel(x, slope), offset);
  const kernels = reshape(slope, [channels, 1, 1, 1]);
  return node("Conv", [x, kernels, offset], { kernel_shape: [1, 1], group: channels }, x.shape);
}

function layout(where: string, x: Tensor, gamma: Tensor, beta: Tensor) {
  const channels = x.shape[1] ?? 0;
  if (
    (x.shape.length !== 2 && x.shape.length !== 4) ||
    !sameShape(gamma.shape, [channels]) ||
    !sameShape(beta.shape, [channels])
  )
    throw new RangeError(
      `${where}: x [B, C] or [B, C, H, W] with gamma and beta [C] expected, found ${show(x.shape)}, ${show(gamma.shape)} and ${show(beta.shape)}`,
    );
  const stretched: Shape = [channels, ...x.shape.slice(2).map(() => 1)];
  return {
    axes: x.shape.flatMap((_, i) => (i === 1 ? [] : [i])),
    perChannel: (t: Tensor): Tensor => reshape(t, stretched),
    /** values per channel */
    count: sizeOf(x.shape) / channels,
  };
}
