/** What the graphs of an export do around a stage: pictures as they are and a lambda of the user's come in. */
import type { Normalisation } from "../dataset/augmentation.ts";
import { reduceSum } from "../graph/broadcast.ts";
import { add, compare, maximum, minimum } from "../graph/elementwise.ts";
import { slice } from "../graph/layout.ts";
import { addPerChannel, multiplyPerChannel } from "../graph/linear.ts";
import { constant, scalar, type Tensor } from "../graph/tensor.ts";
import type { Agent } from "../policy/agent.ts";

/** Nobody is told at run time that a lambda is out of range, so that it is moved to the nearest one that is not. */
export function clippedLambda(lambda: Tensor, { lambdaRange: { from, to } }: Agent): Tensor {
  return minimum(maximum(lambda, scalar(from)), scalar(to));
}

/** No float32 is below it. */
const LOWEST = -3.4028234663852886e38;

/** A scalar as a column [B, 1]. @param like [B, N] numbers, which tell the batch: no constant may hold it */
export function perImage(value: Tensor, like: Tensor): Tensor {
  const zeros = compare(slice(like, 1, 0, 1), "Less", scalar(LOWEST)); // [B, 1]
  return add(zeros, value);
}

/** 1 where no class is as sure as `least`, else 0. @param probabilities [B, K] @returns [B, 1] */
export function unsureRows(probabilities: Tensor, least: number): Tensor {
  const sure = compare(probabilities, "GreaterOrEqual", scalar(least)); // [B, K]
  return compare(reduceSum(sure, [1], true), "Less", scalar(0.5));
}

/** Bytes as floats to network input, (x / 255 - mean[c]) / std[c]. @param image [B, C, H, W] from 0 to 255 */
export function normalised(image: Tensor, { mean, std }: Normalisation): Tensor {
  const slope = constant(std.map((one) => 1 / (255 * one)));
  const offset = constant(mean.map((one, c) => -one / std[c]!));
  return addPerChannel(multiplyPerChannel(image, slope), offset);
}
