/** The same network on the operators of training, maps [H, W, C, B], and on those of inference, maps [B, C, H, W]. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { batchNorm } from "../../src/graph/batchnorm.ts";
import { scale } from "../../src/graph/elementwise.ts";
import * as inference from "../../src/graph/inference.ts";
import { batchLast } from "../../src/graph/plane.ts";
import { constant, input, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { type Layer, parseBlueprint } from "../../src/network/blueprint.ts";
import { applyStages, inferenceOperators, type LayerContext, trainingOperators } from "../../src/network/layers.ts";
import { integer, normal, type Random, seededRandom, uniform } from "../../src/random.ts";
import { expectClose, runOnce } from "../graph/check.ts";
import { plainContext, randomImages } from "./small.ts";

const BATCH = 4;
const CLASSES = 5;
/** The largest difference of 300 such networks was 1.1e-5, the median 1.2e-7: Winograd's error of 1e-6 to 1e-5, once per layer. */
const TOLERANCE = 3e-5;

/** What the next layer gets. */
interface Maps {
  readonly channels: number;
  readonly size: number;
}

function oneOf<T>(random: Random, choices: readonly T[]): T {
  return choices[integer(random, 0, choices.length - 1)]!;
}

const convTypes = ["conv", "conv", "conv", "grouped", "depthwise"];
const allTypes = [
  ...convTypes,
  "batchNorm",
  "activation",
  "maxPool",
  "averagePool",
  "residual",
  "parallel",
  "reluPool",
];

/** A layer that fits, and what it makes of the maps. `isFixed`: it keeps their size. */
function randomLayers(random: Random, { channels, size }: Maps, isFixed: boolean): { layers: Layer[]; after: Maps } {
  const same = { channels, size };
  const stride = !isFixed && uniform(random) < 0.3 ? 2 : 1;
  const strided = Math.ceil(size / stride);
  const bias = uniform(random) < 0.5;
  const canPool = !isFixed && size % 2 === 0;
  switch (oneOf(random, isFixed ? [...convTypes, "batchNorm", "activation"] : allTypes)) {
    case "conv": {
      const out = oneOf(random, [6, 16, 18]);
      const kernel = oneOf(random, [1, 3, 3] as const);
      return {
        layers: [{ type: "conv", channels: out, kernel, stride, bias }],
        after: { channels: out, size: strided },
      };
    }
    case "grouped": {
      const groups = oneOf(random, [2, 3].filter((one) => channels % one === 0).concat(1));
      return {
        layers: [{ type: "conv", channels: 2 * channels, groups, stride, bias }],
        after: { channels: 2 * channels, size: strided },
      };
    }
    case "depthwise":
      return { layers: [{ type: "depthwiseConv", stride, bias }], after: { channels, size: strided } };
    case "batchNorm":
      return { layers: [{ type: "batchNorm" }], after: same };
    case "maxPool":
      return canPool
        ? { layers: [{ type: "maxPool" }], after: { channels, size: size / 2 } }
        : { layers: [], after: same };
    case "averagePool":
      return canPool
        ? { layers: [{ type: "averagePool" }], after: { channels, size: size / 2 } }
        : { layers: [], after: same };
    case "reluPool":
      return canPool
        ? { layers: [{ type: "relu" }, { type: "maxPool" }], after: { channels, size: size / 2 } }
        : { layers: [], after: same };
    case "residual": {
      const inner = randomLayers(random, same, true);
      const back: Layer = { type: "conv", channels, kernel: oneOf(random, [1, 3] as const) };
      return { layers: [{ type: "residual", layers: [...inner.layers, back] }], after: same };
    }
    case "parallel": {
      const branches = [randomLayers(random, same, true), randomLayers(random, same, true)];
      return {
        layers: [{ type: "parallel", branches: branches.map(({ layers }) => layers) }],
        after: { channels: branches.reduce((sum, { after }) => sum + after.channels, 0), size },
      };
    }
    default:
      return { layers: [{ type: oneOf(random, ["relu", "gelu", "silu"] as const) }], after: same };
  }
}

function randomBlueprint(seed: number) {
  const random = seededRandom(seed);
  const size = oneOf(random, [7, 8, 12]);
  let maps: Maps = { channels: 3, size };
  const stages = [0, 1].map(() => {
    const layers = Array.from({ length: 4 }, () => {
      const next = randomLayers(random, maps, maps.size < 4);
      maps = next.after;
      return next.layers;
    }).flat();
    const pools = [[{ type: "globalAveragePool" }], [{ type: "globalMaxPool" }]];
    return {
      layers,
      head: [
        { type: "parallel", branches: pools },
        { type: "linear", features: "classes" },
      ],
    };
  });
  return parseBlueprint({ name: `random ${seed}`, input: [3, size, size], stages });
}

function normalWeight(name: string, shape: readonly number[]): Tensor {
  const random = seededRandom(...[...name].map((letter) => letter.charCodeAt(0)));
  const spread = name.endsWith(".weight") ? 1 / Math.sqrt(sizeOf(shape.slice(1))) : 1;
  return constant(
    Float32Array.from({ length: sizeOf(shape) }, () => spread * normal(random)),
    shape,
  );
}

/** Logits of all exits on both kinds of operators; inference's batch norm gets the statistics that training's found. */
function bothWays(blueprint: ReturnType<typeof randomBlueprint>) {
  const images = input("images", [BATCH, ...blueprint.input]);
  const statistics = new Map<string, { mean: Tensor; variance: Tensor }>();
  const ofNorm = (path: string, channels: number) =>
    [normalWeight(`${path}.gamma`, [channels]), normalWeight(`${path}.beta`, [channels])] as const;
  const training: LayerContext = {
    ...plainContext(trainingOperators, CLASSES),
    parameter: normalWeight,
    batchNorm: (x, path, channels, bias) => {
      const { y, mean, variance } = batchNorm(x, ...ofNorm(path, channels), bias);
      const count = sizeOf(x.shape) / channels;
      statistics.set(path, { mean, variance: scale(variance, Math.max(1, count - 1) / count) });
      return y;
    },
  };
  const plain: LayerContext = {
    ...plainContext(inferenceOperators, CLASSES),
    parameter: normalWeight,
    batchNorm: (x, path, channels) => {
      const { mean, variance } = statistics.get(path)!;
      return inference.batchNorm(x, ...ofNorm(path, channels), mean, variance);
    },
  };
  return [applyStages(blueprint, batchLast(images), training), applyStages(blueprint, images, plain)] as const;
}

test("training's operators and those of inference make the same of the same network", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 1_000_000 }), async (seed) => {
      const blueprint = randomBlueprint(seed);
      for (const type of JSON.stringify(blueprint).match(/"(type":"\w+|groups":[23]|stride":2)/g) ?? [])
        seen.add(type.replaceAll('"', ""));
      const [training, plain] = bothWays(blueprint);
      const outputs: Record<string, Tensor> = {};
      for (const [k, logits] of training.logits.entries()) {
        outputs[`training${k}`] = logits;
        outputs[`plain${k}`] = plain.logits[k]!;
      }
      const found = await runOnce(outputs, { images: randomImages(BATCH * sizeOf(blueprint.input), seed) });
      for (const k of training.logits.keys()) {
        expect(new Set(found[`plain${k}`]).size, "different logits").toBe(BATCH * CLASSES);
        expectClose(found[`training${k}`]!, found[`plain${k}`]!, TOLERANCE, `logits of exit ${k}`);
      }
    }),
    { numRuns: 40, seed: 1 },
  );
  for (const one of ["conv", "depthwiseConv", "batchNorm", "maxPool", "averagePool", "residual", "parallel"])
    expect(seen).toContain(`type:${one}`);
  for (const one of ["groups:2", "groups:3", "stride:2"]) expect(seen).toContain(one);
});
