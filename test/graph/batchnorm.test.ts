import { describe, expect, test } from "vitest";
import { BATCH_NORM_EPSILON, batchNorm } from "../../src/graph/batchnorm.ts";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import * as inference from "../../src/graph/inference.ts";
import { batchLast } from "../../src/graph/plane.ts";
import { constant, input, type Shape, sizeOf } from "../../src/graph/tensor.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { fromBatchLast, onBatchLast } from "./batch-last.ts";
import { anywhere, checkValueAndGradients, type Draw, expectClose, positive, runOnce } from "./check.ts";
import { add, channelMean, channelVariance, type Dense, normalize } from "./reference.ts";

const CHANNELS: Shape = [3];

/** Mean 0.7, deviation 1.5. */
const shifted: Draw = (random, size) => Float32Array.from({ length: size }, () => 0.7 + 1.5 * normal(random));

/** x [B, C, ...] + bias [C] */
function plusBias(x: Dense, bias: Dense): Dense {
  return add(x, { ...bias, shape: [3, ...x.shape.slice(2).map(() => 1)] });
}

const shapes: readonly Shape[] = [
  [5, 3],
  [4, 3, 3, 5],
  [1, 3, 2, 2],
  [3, 3, 9, 8],
];

describe.each(shapes.map((shape) => ({ shape })))("x $shape", ({ shape }) => {
  test("batchNorm in training, and its gradients to x, gamma and beta", async () => {
    await checkValueAndGradients({
      shapes: [shape, CHANNELS, CHANNELS],
      graph: (x, gamma, beta) => onBatchLast(x!, (maps) => batchNorm(maps, gamma!, beta!).y),
      reference: (x, gamma, beta) => normalize(x!, gamma!, beta!, channelMean(x!), channelVariance(x!)),
      draw: [shifted, positive, anywhere],
    });
  });

  test("the bias of the convolution before it changes nothing: the same values, and no gradient to it", async () => {
    const values = shifted(seededRandom(4), sizeOf(shape));
    const [gamma, beta, bias] = [constant([1, 2, 3]), constant([0, -1, 1]), input("bias", CHANNELS)];
    const images = input("x", shape);
    const x = shape.length === 4 ? batchLast(images) : images;
    const { y } = batchNorm(x, gamma, beta, bias);
    const [gradient] = gradients(reduceSum(multiply(y, y)), [bias]);
    const outputs = { y, without: batchNorm(x, gamma, beta).y, gradient: gradient! };
    const found = await runOnce(outputs, { x: values, bias: Float32Array.of(5, -3, 1) });
    expect(found.y).toEqual(found.without);
    expect(found.gradient).toEqual(Float32Array.of(0, 0, 0));
  });

  test.each([0, 0.5])("the batch's mean and unbiased variance, with a bias of %d before", async (before) => {
    const values = shifted(seededRandom(3), sizeOf(shape));
    const bias = { shape: CHANNELS, data: new Float64Array(3).fill(before) };
    const x = plusBias({ shape, data: Float64Array.from(values) }, bias);
    const [gamma, beta] = [input("gamma", CHANNELS), input("beta", CHANNELS)];
    const images = input("x", shape);
    const { mean, variance } = batchNorm(
      shape.length === 4 ? batchLast(images) : images,
      gamma,
      beta,
      before ? constant(Float32Array.from(bias.data)) : undefined,
    );
    const found = await runOnce({ mean, variance }, { x: values });
    const count = sizeOf(shape) / 3;
    expectClose(found.mean!, channelMean(x).data, 1e-6, "mean");
    expectClose(
      found.variance!,
      channelVariance(x).data.map((value) => (value * count) / (count - 1)),
      1e-6,
      "variance",
    );
  });

  test("batchNorm for inference, and its gradients to x, gamma, beta, mean and variance", async () => {
    await checkValueAndGradients({
      shapes: [shape, CHANNELS, CHANNELS, CHANNELS, CHANNELS],
      graph: (x, gamma, beta, mean, variance) => inference.batchNorm(x!, gamma!, beta!, mean!, variance!),
      reference: (x, gamma, beta, mean, variance) => normalize(x!, gamma!, beta!, mean!, variance!),
      draw: [shifted, positive, anywhere, anywhere, positive],
    });
  });
});

test("the epsilon is the one that the references and PyTorch use", () => {
  expect(BATCH_NORM_EPSILON).toBe(1e-5);
});

// E[x^2] - E[x]^2 of equal values is not zero but a rounding error, at 100 one of -1e-2: the root of that is not a number.
test("a channel of equal values becomes beta, and its gradients are numbers", async () => {
  const levels = [0.1, 3.7, 12.3, 100.7];
  const shape: Shape = [8, 64, 5, 5];
  const values = new Float32Array(sizeOf(shape)).map((_, i) => {
    const channel = Math.floor(i / 25) % 64;
    return levels[channel % 4]! * (1 + channel / 64);
  });
  const [x, gamma, beta] = [input("x", shape), input("gamma", [64]), input("beta", [64])];
  const { y, variance } = batchNorm(batchLast(x), gamma, beta);
  const [dx] = gradients(reduceSum(y), [x]);
  const found = await runOnce(
    { y: fromBatchLast(y), variance, dx: dx! },
    { x: values, gamma: new Float32Array(64).fill(1), beta: new Float32Array(64).fill(0.5) },
  );
  expect(Math.min(...found.variance!)).toBeGreaterThanOrEqual(0);
  // x * slope and mean * slope, both about 201 / sqrt(epsilon) = 64,000, leave 6e-8 of that, several times.
  expectClose(found.y!, new Float32Array(values.length).fill(0.5), 0.05, "y");
  expect(found.dx!.every(Number.isFinite)).toBe(true);
});
