import { describe, expect, test } from "vitest";
import { batchLast } from "../../src/graph/plane.ts";
import { input, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import type { Layer } from "../../src/network/blueprint.ts";
import { applyLayers, inferenceOperators, type MapOperators, trainingOperators } from "../../src/network/layers.ts";
import { buildTrainingGraph } from "../../src/network/training-graph.ts";
import { fromBatchLast } from "../graph/batch-last.ts";
import { expectClose, runOnce, TOLERANCE } from "../graph/check.ts";
import { add, channelMean, channelVariance, conv2d, type Dense, map, pool } from "../graph/reference.ts";
import { plainContext, randomImages, randomWeights, stack } from "./small.ts";

const shape = [2, 3, 8, 8];
const images = randomImages(2 * 3 * 64, 5);

/** The operators of training, without what they are the sign of: that nothing is fused. */
const plainOrder: MapOperators = { ...trainingOperators };

function applied(layers: readonly Layer[], operators: MapOperators): Tensor {
  const x = input("x", shape);
  const context = plainContext(operators);
  return applyLayers(layers, operators.channelAxis === 1 ? x : batchLast(x), "stages.0.layers", context);
}

/** [B, C, H, W] of the result */
async function valuesOf(layers: readonly Layer[], operators: MapOperators): Promise<Float32Array> {
  const y = applied(layers, operators);
  return (await runOnce({ y: operators.channelAxis === 1 ? y : fromBatchLast(y) }, { x: images })).y!;
}

/** The maps that are rectified, the first one first. */
function rectified(tensor: Tensor): Shape[] {
  if (tensor.source.kind !== "node") return [];
  const before = tensor.source.inputs.flatMap((one) => (one ? rectified(one) : []));
  return tensor.source.operator === "Relu" ? [...before, tensor.shape] : before;
}

describe("relu before maxPool", () => {
  const layers: Layer[] = [
    { type: "conv", channels: 4 },
    { type: "relu" },
    { type: "maxPool", size: 4 },
    { type: "conv", channels: 2, kernel: 1 },
    { type: "relu" },
    { type: "maxPool" },
  ];

  test("is turned round for training, with the same bytes as a result", async () => {
    const [turned, plain] = [await valuesOf(layers, trainingOperators), await valuesOf(layers, plainOrder)];
    expect(turned).toEqual(plain);
    expect(new Set(turned).size).toBeGreaterThan(2);
    expect(rectified(applied(layers, trainingOperators))).toEqual([
      [2, 2, 4, 2],
      [1, 1, 2, 2],
    ]);
    expect(rectified(applied(layers, plainOrder))).toEqual([
      [8, 8, 4, 2],
      [2, 2, 2, 2],
    ]);
  });

  test("stays as it is for inference, where the runtime fuses it", async () => {
    expectClose(await valuesOf(layers, inferenceOperators), await valuesOf(layers, trainingOperators), TOLERANCE);
    expect(rectified(applied(layers, inferenceOperators))).toEqual([
      [2, 4, 8, 8],
      [2, 2, 2, 2],
    ]);
  });

  test("the layers after it keep their names", () => {
    const names: string[] = [];
    const context = plainContext(trainingOperators);
    applyLayers(layers, batchLast(input("x", shape)), "p", {
      ...context,
      parameter: (name, size) => {
        names.push(name);
        return context.parameter(name, size);
      },
    });
    expect(names).toEqual(["p.0.weight", "p.3.weight"]);
  });
});

test.each([
  ["training", trainingOperators],
  ["inference", inferenceOperators],
] as const)("residual and parallel compute what they say, for %s", async (_, operators) => {
  const x: Dense = { shape, data: Float64Array.from(images) };
  const context = plainContext(operators);
  const weight = (name: string, size: readonly number[]): Dense => {
    const { source } = context.parameter(name, size);
    return { shape: size, data: Float64Array.from(source.kind === "constant" ? (source.data as Float32Array) : []) };
  };
  const found = await valuesOf(
    [
      { type: "residual", layers: [{ type: "conv", channels: 3 }, { type: "relu" }] },
      { type: "parallel", branches: [[{ type: "averagePool" }], [{ type: "depthwiseConv", stride: 2 }]] },
    ],
    operators,
  );
  const inner = conv2d(x, weight("stages.0.layers.0.layers.0.weight", [3, 3, 3, 3]), null, 1, 1);
  const sum = add(
    map(inner, (v) => Math.max(0, v)),
    x,
  );
  const left = pool(sum, 2, (values) => values.reduce((a, b) => a + b) / 4);
  const right = conv2d(sum, weight("stages.0.layers.1.branches.1.0.weight", [3, 1, 3, 3]), null, 2, 3);
  const perImage = 3 * 16;
  const expected = [0, 1].flatMap((b) =>
    [left, right].flatMap(({ data }) => [...data.subarray(b * perImage, (b + 1) * perImage)]),
  );
  expectClose(found, expected, TOLERANCE);
});

describe("the training graph", () => {
  const blueprint = stack([3, 8, 8], [{ type: "batchNorm" }, { type: "relu" }], [{ type: "conv", channels: 2 }]);
  const weights = randomWeights(blueprint, 3, 2);

  test("moves running statistics a tenth of the way to the batch's mean and unbiased variance", async () => {
    const { statistics } = buildTrainingGraph(blueprint, 3, input("images", shape), { start: weights });
    const names = statistics.map(({ variable }) => variable.source.name);
    expect(names).toEqual(["stages.0.layers.0.mean", "stages.0.layers.0.variance"]);
    const { mean, variance } = await runOnce({ mean: statistics[0]!.next, variance: statistics[1]!.next }, { images });
    const x: Dense = { shape, data: Float64Array.from(images) };
    const count = 2 * 64;
    const moved = (name: string, batch: Dense, factor: number) =>
      batch.data.map((value, c) => 0.9 * weights.get(name)!.data[c]! + 0.1 * factor * value);
    expectClose(mean!, moved(names[0]!, channelMean(x), 1), TOLERANCE);
    expectClose(variance!, moved(names[1]!, channelVariance(x), count / (count - 1)), TOLERANCE);
  });

  test("starts at the given weights, and at the initialisation where none are given", () => {
    const start = new Map([...weights].filter(([name]) => name.startsWith("stages.0")));
    const { parameters } = buildTrainingGraph(blueprint, 3, input("images", shape), { seed: 4, start });
    const { parameters: fresh } = buildTrainingGraph(blueprint, 3, input("images", shape), { seed: 4 });
    parameters.forEach(({ source }, i) => {
      const expected = weights.get(source.name)!.data;
      if (source.name.startsWith("stages.0")) expect(source.initial()).toEqual(expected);
      else expect(source.initial()).toEqual(fresh[i]!.source.initial());
    });
    expect(parameters.map(({ source }) => source.name)).toContain("stages.1.layers.0.weight");
  });
});

describe("whitening", () => {
  test("is a convolution with a trained bias and weights that are not trained", () => {
    const names = { parameter: [] as string[], fixed: [] as string[] };
    const context = plainContext(trainingOperators);
    const watched = {
      ...context,
      parameter: (name: string, size: readonly number[]) => {
        names.parameter.push(name);
        return context.parameter(name, size);
      },
      fixed: (name: string, size: readonly number[]) => {
        names.fixed.push(name);
        return context.fixed(name, size);
      },
    };
    const y = applyLayers(
      [{ type: "whitening", channels: 6, stride: 2 }],
      batchLast(input("x", shape)),
      "stages.0.layers",
      watched,
    );
    expect(y.shape).toEqual([4, 4, 6, 2]);
    expect(names).toEqual({ parameter: ["stages.0.layers.0.bias"], fixed: ["stages.0.layers.0.weight"] });
  });

  test("stands first or nowhere, and has no more channels than signed components", () => {
    const put = (path: string, channels: number) => () =>
      applyLayers(
        [{ type: "whitening", channels }],
        batchLast(input("x", shape)),
        path,
        plainContext(trainingOperators),
      );
    expect(put("stages.1.layers", 6)).toThrow(
      "stages.1.layers.0: whitening: the first layer of the network expected, with at most 54 channels, found 6",
    );
    expect(put("stages.0.layers", 56)).toThrow("at most 54 channels, found 56");
    expect(put("stages.0.layers", 54)).not.toThrow();
  });
});
