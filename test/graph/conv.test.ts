import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { type ConvOptions, conv2d } from "../../src/graph/conv.ts";
import { multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import * as inference from "../../src/graph/inference.ts";
import { input, type Shape, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { seededRandom } from "../../src/random.ts";
import { onBatchLast } from "./batch-last.ts";
import { anywhere, checkValueAndGradients, checkValueWithoutGradient, runOnce } from "./check.ts";
import type { Dense } from "./reference.ts";
import * as reference from "./reference.ts";

/** [B, C, H, W] */
interface Geometry {
  readonly name: string;
  readonly x: Shape;
  readonly weight: Shape;
  readonly stride?: 1 | 2;
  readonly groups?: number;
  readonly bias?: boolean;
}

// Less than 16 channels, or not 3x3 of stride 1 in one group: none of these is computed by Winograd's way (winograd.test.ts).
const geometries: readonly Geometry[] = [
  { name: "1x1", x: [2, 3, 4, 5], weight: [4, 3, 1, 1] },
  { name: "1x1 with bias", x: [2, 3, 4, 5], weight: [4, 3, 1, 1], bias: true },
  { name: "1x1, stride 2, odd sizes", x: [2, 3, 5, 7], weight: [4, 3, 1, 1], stride: 2 },
  { name: "1x1, stride 2, even sizes", x: [2, 2, 4, 6], weight: [3, 2, 1, 1], stride: 2, bias: true },
  { name: "1x1, 2 groups", x: [2, 4, 3, 3], weight: [6, 2, 1, 1], groups: 2 },
  { name: "3x3", x: [2, 3, 4, 5], weight: [2, 3, 3, 3] },
  { name: "3x3 with bias, odd sizes", x: [3, 2, 5, 3], weight: [4, 2, 3, 3], bias: true },
  { name: "3x3, stride 2, odd sizes", x: [2, 2, 7, 5], weight: [3, 2, 3, 3], stride: 2, bias: true },
  { name: "3x3, stride 2, even sizes", x: [2, 2, 6, 4], weight: [3, 2, 3, 3], stride: 2 },
  { name: "3x3, 2 groups with bias", x: [2, 4, 4, 3], weight: [6, 2, 3, 3], groups: 2, bias: true },
  { name: "3x3, 2 groups, stride 2", x: [2, 4, 5, 6], weight: [2, 2, 3, 3], groups: 2, stride: 2 },
  { name: "3x3 depthwise", x: [2, 3, 5, 4], weight: [3, 1, 3, 3], groups: 3 },
  {
    name: "3x3 depthwise, stride 2 with bias",
    x: [2, 3, 5, 5],
    weight: [3, 1, 3, 3],
    groups: 3,
    stride: 2,
    bias: true,
  },
  { name: "3x3 depthwise, stride 2, even and odd sides", x: [2, 2, 6, 7], weight: [2, 1, 3, 3], groups: 2, stride: 2 },
  { name: "3x3 depthwise on a single pixel", x: [2, 3, 1, 1], weight: [3, 1, 3, 3], groups: 3, bias: true },
  { name: "3x3 depthwise on a row, stride 2", x: [3, 2, 1, 5], weight: [2, 1, 3, 3], groups: 2, stride: 2 },
  { name: "3x3 depthwise, two outputs per channel", x: [2, 2, 4, 4], weight: [4, 1, 3, 3], groups: 2 },
  { name: "3x3 on a single pixel", x: [2, 2, 1, 1], weight: [3, 2, 3, 3] },
  { name: "3x3 on 143 pixels", x: [1, 1, 11, 13], weight: [2, 1, 3, 3] },
  { name: "3x3 on 144 pixels", x: [2, 2, 12, 12], weight: [2, 2, 3, 3], bias: true },
  { name: "1x1 on 156 pixels", x: [2, 2, 12, 13], weight: [2, 2, 1, 1] },
  { name: "1x1, stride 2 to 144 pixels", x: [1, 2, 23, 24], weight: [2, 2, 1, 1], stride: 2 },
  { name: "3x3, stride 2 to 144 pixels", x: [1, 1, 23, 24], weight: [2, 1, 3, 3], stride: 2 },
  { name: "3x3 depthwise on 156 pixels", x: [1, 2, 12, 13], weight: [2, 1, 3, 3], groups: 2 },
  { name: "1x1 on 16 channels", x: [2, 16, 3, 2], weight: [4, 16, 1, 1], bias: true },
  { name: "3x3 on 16 channels, stride 2", x: [1, 16, 5, 4], weight: [2, 16, 3, 3], stride: 2 },
  { name: "3x3 on 16 channels, 2 groups", x: [1, 16, 3, 4], weight: [4, 8, 3, 3], groups: 2, bias: true },
];

describe.each(geometries)("$name", ({ x, weight, stride = 1, groups = 1, bias = false }) => {
  const shapes = bias ? [x, weight, [weight[0]!]] : [x, weight];
  const options = (bias?: Tensor): ConvOptions => (bias ? { stride, groups, bias } : { stride, groups });
  const plain = (x?: Dense, weight?: Dense, bias?: Dense) =>
    reference.conv2d(x!, weight!, bias ?? null, stride, groups);

  test("conv2d and its gradients", async () => {
    await checkValueAndGradients({
      shapes,
      graph: (x, weight, bias) => onBatchLast(x!, (maps) => conv2d(maps, weight!, options(bias))),
      reference: plain,
    });
  });

  test("conv2d for inference has a value and no gradient", async () => {
    await checkValueWithoutGradient({
      shapes,
      graph: (x, weight, bias) => inference.conv2d(x!, weight!, options(bias)),
      reference: plain,
    });
  });
});

describe("any geometry", () => {
  const geometry = fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 1, max: 14 }),
    width: fc.integer({ min: 1, max: 14 }),
    groups: fc.integer({ min: 1, max: 3 }),
    channelsPerGroup: fc.constantFrom(1, 2, 3, 16), // one group of 16: Winograd's way, where stride 1 allows
    outPerGroup: fc.integer({ min: 1, max: 3 }),
    kernel: fc.constantFrom(1, 3),
    stride: fc.constantFrom<1 | 2>(1, 2),
  });

  // A convolution is linear in x and in the weights, so <y, p> = <x, d<y, p>/dx> = <weight, d<y, p>/dweight>.
  test("both gradients are adjoint to the convolution", async () => {
    await fc.assert(
      fc.asyncProperty(geometry, async (one) => {
        const { batch, height, width, groups, kernel, stride } = one;
        const xShape = [height, width, groups * one.channelsPerGroup, batch];
        const weightShape = [groups * one.outPerGroup, one.channelsPerGroup, kernel, kernel];
        const options: ConvOptions = { stride, groups };
        const random = seededRandom(batch, height, width, groups, kernel, stride);
        const [xValues, weightValues] = [anywhere(random, sizeOf(xShape)), anywhere(random, sizeOf(weightShape))];
        const [x, weight] = [input("x", xShape), input("weight", weightShape)];
        const y = conv2d(x, weight, options);
        const p = anywhere(random, sizeOf(y.shape));
        const [dx, dWeight] = gradients(reduceSum(multiply(y, input("p", y.shape))), [x, weight]) as [
          typeof x,
          typeof x,
        ];
        const found = await runOnce({ y, dx, dWeight }, { x: xValues, weight: weightValues, p });
        const product = inner(found.y!, p);
        // |<y, p>| is at most |y| |p|; float32 carries 6e-8 of that.
        const allowed = 1e-6 * Math.sqrt(inner(found.y!, found.y!) * inner(p, p)) + 1e-4;
        expect(Math.abs(inner(found.dx!, xValues) - product)).toBeLessThan(allowed);
        expect(Math.abs(inner(found.dWeight!, weightValues) - product)).toBeLessThan(allowed);
      }),
      { numRuns: 25, seed: 1 },
    );
  });
});

function inner(a: Float32Array, b: Float32Array): number {
  return a.reduce((total, value, i) => total + value * b[i]!, 0);
}
