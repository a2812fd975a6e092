import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { concat } from "../../src/graph/layout.ts";
import { input, sizeOf } from "../../src/graph/tensor.ts";
import { type Blueprint, type Layer, type LayerInput, parseBlueprint } from "../../src/network/blueprint.ts";
import { blueprintNames, builtInBlueprint } from "../../src/network/blueprints.ts";
import { foldBatchNorm } from "../../src/network/folding.ts";
import { buildInferenceGraph } from "../../src/network/inference-graph.ts";
import { buildTrainingGraph } from "../../src/network/training-graph.ts";
import type { NamedArray, Weights } from "../../src/network/weights.ts";
import { expectClose, runOnce } from "../graph/check.ts";
import { conv2d, type Dense, normalize } from "../graph/reference.ts";
import { HEAD, randomImages, randomWeights, stack } from "./small.ts";

const CLASSES = 3;
/** Folding only changes the order of roundings; six layers one after the other carry them on at most a few times 1e-6. */
const TOLERANCE = 2e-5;

async function logitsOf(blueprint: Blueprint, weights: Weights, images: Float32Array): Promise<Float32Array> {
  const x = input("images", [2, ...blueprint.input]);
  const stages = buildInferenceGraph(blueprint, weights, CLASSES, x);
  return (
    await runOnce(
      {
        logits: concat(
          stages.map(({ logits }) => logits),
          1,
        ),
      },
      { images },
    )
  ).logits!;
}

function typesOf(layers: readonly Layer[]): string[] {
  return layers.flatMap((layer) => {
    if (layer.type === "residual") return ["residual", ...typesOf(layer.layers), ...typesOf(layer.shortcut ?? [])];
    if (layer.type === "parallel") return ["parallel", ...layer.branches.flatMap(typesOf)];
    return [layer.type];
  });
}

const norm: LayerInput = { type: "batchNorm" };

const plain = stack([3, 8, 8], [{ type: "conv", channels: 4 }], [{ type: "conv", channels: 5 }, norm]);

const cases: readonly { name: string; layers?: LayerInput[]; head?: LayerInput[]; left: number }[] = [
  { name: "conv, bn", layers: [{ type: "conv", channels: 5 }, norm, { type: "relu" }], left: 0 },
  {
    name: "conv with groups and stride, bn",
    layers: [{ type: "conv", channels: 6, groups: 3, stride: 2 }, norm],
    left: 0,
  },
  { name: "conv with bias, bn", layers: [{ type: "conv", channels: 5, bias: true }, norm, { type: "gelu" }], left: 0 },
  { name: "depthwise, bn", layers: [{ type: "depthwiseConv" }, norm, { type: "silu" }], left: 0 },
  { name: "depthwise with bias, bn", layers: [{ type: "depthwiseConv", bias: true, stride: 2 }, norm], left: 0 },
  { name: "separable", layers: [{ type: "separable", channels: 7, stride: 2 }], left: 0 },
  {
    name: "linear, relu, bn, dropout, linear",
    head: [
      { type: "globalAveragePool" },
      { type: "linear", features: 6 },
      { type: "relu" },
      norm,
      { type: "dropout", rate: 0.5 },
      { type: "linear", features: "classes" },
    ],
    left: 0,
  },
  {
    name: "bn before a linear layer without bias",
    head: [{ type: "globalMaxPool" }, norm, { type: "linear", features: "classes", bias: false }],
    left: 0,
  },
  {
    name: "linear, bn, linear: into the one before",
    head: [{ type: "globalMaxPool" }, { type: "linear", features: 4, bias: false }, norm, ...HEAD.slice(1)],
    left: 0,
  },
  { name: "pool, bn, relu: stays", layers: [{ type: "maxPool" }, norm, { type: "relu" }], left: 1 },
  { name: "conv, bn, bn: the second one stays", layers: [{ type: "conv", channels: 4 }, norm, norm], left: 1 },
  { name: "conv, relu, bn, conv: stays", layers: [{ type: "conv", channels: 4 }, { type: "relu" }, norm], left: 1 },
  {
    name: "inside residual, its shortcut and parallel",
    layers: [
      {
        type: "residual",
        layers: [{ type: "conv", channels: 4 }, norm, { type: "relu" }, { type: "conv", channels: 4 }, norm],
        shortcut: [{ type: "conv", channels: 4, kernel: 1 }, norm],
      },
      {
        type: "parallel",
        branches: [[{ type: "depthwiseConv" }, norm], [norm], [{ type: "conv", channels: 2 }, norm]],
      },
    ],
    left: 1,
  },
];

describe("foldBatchNorm", () => {
  test.each(cases)("$name", async ({ layers = [{ type: "conv", channels: 4 }], head = HEAD, left }) => {
    const blueprint = parseBlueprint({
      name: "case",
      input: [3, 8, 8],
      stages: [
        { layers, head },
        { layers: [{ type: "conv", channels: 4 }], head: HEAD },
      ],
    });
    const weights = randomWeights(blueprint, CLASSES, 11);
    const before = structuredClone(weights);
    const folded = foldBatchNorm(blueprint, weights);
    const images = randomImages(2 * 3 * 64, 12);
    const expected = await logitsOf(blueprint, weights, images);
    expectClose(await logitsOf(folded.blueprint, folded.weights, images), expected, TOLERANCE);
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.05);
    const types = folded.blueprint.stages.flatMap((stage) => typesOf([...stage.layers, ...stage.head]));
    expect(types.filter((type) => type === "batchNorm")).toHaveLength(left);
    expect(weights, "the weights that were given").toEqual(before);
  });

  test.each([
    { slopes: "no slope falls", gamma: [0.5, 2, 0, 1], left: 0 },
    { slopes: "a slope falls", gamma: [0.5, 2, -0.1, 1], left: 1 },
  ])("through a max pool: $left left where $slopes", async ({ gamma, left }) => {
    const blueprint = parseBlueprint({
      name: "case",
      input: [3, 8, 8],
      stages: [
        { layers: [{ type: "conv", channels: 4 }, { type: "maxPool" }, norm, { type: "relu" }], head: HEAD },
        { layers: [], head: HEAD },
      ],
    });
    const weights = new Map(randomWeights(blueprint, CLASSES, 11));
    weights.set("stages.0.layers.2.gamma", { shape: [4], data: Float32Array.from(gamma) });
    const folded = foldBatchNorm(blueprint, weights);
    const images = randomImages(2 * 3 * 64, 12);
    const expected = await logitsOf(blueprint, weights, images);
    expectClose(await logitsOf(folded.blueprint, folded.weights, images), expected, TOLERANCE);
    expect(typesOf(folded.blueprint.stages[0]!.layers).filter((type) => type === "batchNorm")).toHaveLength(left);
  });

  test("a convolution with bias and its batch norm equal the formula in float64", async () => {
    const blueprint = parseBlueprint({
      name: "case",
      input: [2, 4, 4],
      stages: [
        {
          layers: [{ type: "conv", channels: 3, bias: true }, norm],
          head: [{ type: "globalAveragePool" }],
        },
        { layers: [], head: [{ type: "globalMaxPool" }] },
      ],
    });
    const weights = randomWeights(blueprint, CLASSES, 3);
    const folded = foldBatchNorm(blueprint, weights);
    const images = randomImages(2 * 2 * 16, 4);
    const part = (name: string): Dense => {
      const { shape, data } = weights.get(`stages.0.layers.${name}`)!;
      return { shape, data: Float64Array.from(data) };
    };
    const x: Dense = { shape: [2, 2, 4, 4], data: Float64Array.from(images) };
    const convolved = conv2d(x, part("0.weight"), part("0.bias"), 1, 1);
    const y = normalize(convolved, part("1.gamma"), part("1.beta"), part("1.mean"), part("1.variance"));
    const graph = buildInferenceGraph(folded.blueprint, folded.weights, CLASSES, input("images", [2, 2, 4, 4]));
    const found = await runOnce({ y: graph[0]!.features }, { images });
    expectClose(found.y!, y.data, TOLERANCE);
  });

  test.each(blueprintNames)("no batch norm is left in %s", (name) => {
    const blueprint = builtInBlueprint(name);
    const { parameters, statistics } = buildTrainingGraph(blueprint, 10, input("images", [1, ...blueprint.input]));
    const zeros = [...parameters, ...statistics.map(({ variable }) => variable)].map(
      ({ source, shape }): [string, NamedArray] => [source.name, { shape, data: new Float32Array(sizeOf(shape)) }],
    );
    const { blueprint: folded } = foldBatchNorm(blueprint, new Map(zeros));
    const types = folded.stages.flatMap((stage) => typesOf([...stage.layers, ...stage.head]));
    expect(types).not.toContain("batchNorm");
    expect(types).toHaveLength(blueprint.stages.flatMap((stage) => typesOf([...stage.layers, ...stage.head])).length);
  });

  test("a missing weight is the user's mistake, with its name", () => {
    const weights = randomWeights(plain, CLASSES, 1);
    weights.delete("stages.1.layers.1.variance");
    expect(() => foldBatchNorm(plain, weights)).toThrow(UserError);
    expect(() => foldBatchNorm(plain, weights)).toThrow("weights with stages.1.layers.1.variance expected, found none");
  });
});

describe("the inference graph", () => {
  const images = input("images", [1, ...plain.input]);

  test("refuses a weight that is not there", () => {
    const weights = randomWeights(plain, CLASSES, 1);
    weights.delete("stages.1.head.1.bias");
    expect(() => buildInferenceGraph(plain, weights, CLASSES, images)).toThrow(UserError);
    expect(() => buildInferenceGraph(plain, weights, CLASSES, images)).toThrow(
      "network: weight stages.1.head.1.bias of shape [3] expected, found none",
    );
  });

  test("refuses a weight of another shape", () => {
    const weights = randomWeights(plain, CLASSES, 1);
    expect(() => buildInferenceGraph(plain, weights, 7, images)).toThrow(UserError);
    expect(() => buildInferenceGraph(plain, weights, 7, images)).toThrow(
      "network: weight stages.0.head.1.weight of shape [7,4] expected, found [3,4]",
    );
  });
});
