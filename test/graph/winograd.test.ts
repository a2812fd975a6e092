import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { reduceSum, reshape } from "../../src/graph/broadcast.ts";
import { conv2d } from "../../src/graph/conv.ts";
import { add, multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { batchLast } from "../../src/graph/plane.ts";
import { input, type Shape, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { winogradConv } from "../../src/graph/winograd.ts";
import { seededRandom } from "../../src/random.ts";
import { fromBatchLast } from "./batch-last.ts";
import { anywhere, runOnce } from "./check.ts";
import { conv2dGradients, type Dense, conv2d as plainConv2d } from "./reference.ts";

/**
 * What F(4, 3) loses in float32, as a share of the root mean square of the values that are expected. Its transforms multiply by up to
 * 8 along each side and the large terms cancel again, which costs one digit of the seven. Measured against float64:
 *
 *     channels, maps         root mean square of the error     largest error     (a direct float32 convolution: 2e-7 and 1e-6)
 *     16 to 24, up to 12x12  1.1e-6                            1.0e-5
 *     64, 8x8                1.9e-6                            3.1e-5
 *     128, 8x8               2.5e-6                            3.2e-5            (2.7e-7 and 1.4e-6)
 *
 * Allowed is twice that, since another processor adds up in another order. One wrong number in a transform is an error of 1e-2 and more.
 */
const FEW_CHANNELS = { rms: 2.2e-6, largest: 2e-5 };
const MANY_CHANNELS = { rms: 5e-6, largest: 6.5e-5 };
/** Two float32 ways against each other on maps from 1x1: 1.4e-6 and 1.3e-5 at most in these 40 geometries; twice that again. */
const ANY_GEOMETRY = { rms: 2.9e-6, largest: 2.6e-5 };

function rms(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length);
}

function expectNear(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  allowed: typeof FEW_CHANNELS,
  what: string,
): void {
  expect(found.length, `count of ${what}`).toBe(expected.length);
  const unit = rms(expected);
  expect(unit, `${what} that is not zero everywhere`).toBeGreaterThan(1e-3);
  const errors = Array.from(expected, (value, i) => Math.abs(found[i]! - value) / unit);
  expect(rms(errors), `root mean square of the error of ${what}`).toBeLessThan(allowed.rms);
  expect(
    errors.reduce((a, b) => Math.max(a, b)),
    `largest error of ${what}`,
  ).toBeLessThan(allowed.largest);
}

interface Geometry {
  /** [B, C, H, W] */
  readonly x: Shape;
  readonly out: number;
  readonly bias?: boolean;
}

/** x normal, weights of variance 1 / (9 C), so that the values are of size 1. */
function drawn({ x, out }: Geometry) {
  const random = seededRandom(...x, out);
  const shapes = { x, weight: [out, x[1]!, 3, 3], bias: [out], dy: [x[0]!, out, x[2]!, x[3]!] };
  const [xs, weights, bias, dy] = Object.values(shapes).map((shape) => anywhere(random, sizeOf(shape))) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return { shapes, feeds: { x: xs, weight: weights.map((value) => value / Math.sqrt(9 * x[1]!)), bias, dy } };
}

/** conv2d, which takes Winograd's way from 16 channels on: value and gradients against the float64 references. */
async function check(geometry: Geometry, allowed: typeof FEW_CHANNELS): Promise<void> {
  const { shapes, feeds } = drawn(geometry);
  const [x, weight, bias] = [input("x", shapes.x), input("weight", shapes.weight), input("bias", shapes.bias)];
  const y = fromBatchLast(conv2d(batchLast(x), weight, geometry.bias ? { bias } : {}));
  expect(y.shape).toEqual(shapes.dy);
  const sources = geometry.bias ? [x, weight, bias] : [x, weight];
  const [dx, dWeight, dBias] = gradients(reduceSum(multiply(y, input("dy", y.shape))), sources);
  const outputs: Record<string, Tensor> = { y, dx: dx!, dweight: dWeight!, ...(dBias ? { dbias: dBias } : {}) };
  sources.forEach(({ shape }, i) => {
    expect([dx, dWeight, dBias][i]!.shape, `shape of gradient ${i}`).toEqual(shape);
  });
  const { bias: biasValues, ...others } = feeds;
  const found = await runOnce(outputs, geometry.bias ? feeds : others);
  const of = (name: keyof typeof shapes): Dense => ({ shape: shapes[name], data: Float64Array.from(feeds[name]) });
  const expected = plainConv2d(of("x"), of("weight"), geometry.bias ? of("bias") : null, 1, 1);
  expectNear(found.y!, expected.data, allowed, "the value");
  const slopes = conv2dGradients(of("x"), of("weight"), of("dy"));
  for (const name of ["x", "weight", ...(geometry.bias ? (["bias"] as const) : [])] as const)
    expectNear(found[`d${name}`]!, slopes[name].data, allowed, `the gradient to ${name}`);
}

// 4x4 outputs to a tile: sides below, at and above whole tiles.
const geometries: readonly Geometry[] = [
  { x: [2, 16, 1, 1], out: 3 },
  { x: [3, 16, 2, 2], out: 4, bias: true },
  { x: [2, 16, 3, 3], out: 5 },
  { x: [2, 16, 4, 4], out: 16, bias: true },
  { x: [2, 17, 5, 5], out: 3, bias: true },
  { x: [1, 16, 7, 7], out: 4 },
  { x: [2, 20, 8, 8], out: 6, bias: true },
  { x: [2, 16, 12, 12], out: 8 },
  { x: [2, 16, 1, 8], out: 4, bias: true },
  { x: [2, 24, 12, 7], out: 5 },
  { x: [3, 16, 4, 5], out: 2, bias: true },
  { x: [1, 18, 2, 13], out: 20 },
];

describe("conv2d of 3x3 by Winograd's way, and its gradients", () => {
  test.each(geometries)("x $x, $out channels out, bias: $bias", async (geometry) => {
    await check(geometry, FEW_CHANNELS);
  });

  test.each([
    { x: [4, 64, 8, 8], out: 64 },
    { x: [4, 128, 8, 8], out: 128, bias: true },
  ])("x $x, $out channels out: the longest sums", async (geometry) => {
    await check(geometry, MANY_CHANNELS);
  });
});

test("the gradients' loops agree with central differences of the reference", () => {
  const { shapes, feeds } = drawn({ x: [2, 2, 4, 3], out: 3 });
  const of = (name: keyof typeof shapes): Dense => ({ shape: shapes[name], data: Float64Array.from(feeds[name]) });
  const inputs = { x: of("x"), weight: of("weight"), bias: of("bias") };
  const loss = (): number =>
    plainConv2d(inputs.x, inputs.weight, inputs.bias, 1, 1).data.reduce((sum, y, i) => sum + y * feeds.dy[i]!, 0);
  const slopes = conv2dGradients(inputs.x, inputs.weight, of("dy"));
  for (const name of ["x", "weight", "bias"] as const)
    for (const [i, value] of inputs[name].data.entries()) {
      inputs[name].data[i] = value + 0.5; // linear in each: any step is exact
      const above = loss();
      inputs[name].data[i] = value - 0.5;
      const below = loss();
      inputs[name].data[i] = value;
      expect(Math.abs(slopes[name].data[i]! - (above - below)), `${name} at ${i}`).toBeLessThan(1e-12);
    }
});

test("conv2d takes Winograd's way from 16 channels on, with stride 1 and one group", async () => {
  const ways = async (channels: number) => {
    const { shapes, feeds } = drawn({ x: [2, channels, 6, 5], out: 4, bias: true });
    const [maps, weight, bias] = [batchLast(input("x", shapes.x)), input("weight", shapes.weight), input("bias", [4])];
    const byName = conv2d(maps, weight, { bias });
    const winograd = add(winogradConv(maps, weight), reshape(bias, [4, 1]));
    const { dy: _, ...fed } = feeds;
    return runOnce({ byName, winograd }, fed);
  };
  const [below, at] = [await ways(15), await ways(16)];
  expect(at.byName).toEqual(at.winograd);
  expect(below.byName).not.toEqual(below.winograd); // equal but for rounding
  expectNear(below.winograd!, below.byName!, FEW_CHANNELS, "15 channels");
});

describe("any geometry", () => {
  const geometry = fc.record({
    batch: fc.integer({ min: 1, max: 4 }),
    channels: fc.integer({ min: 1, max: 15 }),
    out: fc.integer({ min: 1, max: 8 }),
    height: fc.integer({ min: 1, max: 13 }),
    width: fc.integer({ min: 1, max: 13 }),
  });

  test("Winograd's way equals the direct one, which conv2d goes below 16 channels, in value and gradients", async () => {
    await fc.assert(
      fc.asyncProperty(geometry, async ({ batch, channels, height, width, out }) => {
        const { shapes, feeds } = drawn({ x: [batch, channels, height, width], out });
        const [x, weight] = [input("x", shapes.x), input("weight", shapes.weight)];
        const dy = batchLast(input("dy", shapes.dy));
        const outputs: Record<string, Tensor> = {};
        for (const [way, y] of Object.entries({
          winograd: winogradConv(batchLast(x), weight),
          direct: conv2d(batchLast(x), weight),
        })) {
          const [dx, dWeight] = gradients(reduceSum(multiply(y, dy)), [x, weight]);
          Object.assign(outputs, { [way]: y, [`${way} dx`]: dx!, [`${way} dWeight`]: dWeight! });
        }
        const { bias: _, ...fed } = feeds;
        const found = await runOnce(outputs, fed);
        for (const what of ["", " dx", " dWeight"])
          expectNear(found[`winograd${what}`]!, found[`direct${what}`]!, ANY_GEOMETRY, `the value${what}`);
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});
