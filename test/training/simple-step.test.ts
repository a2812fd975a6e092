import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test, vi } from "vitest";
import { channelStatistics } from "../../src/dataset/augmentation.ts";
import { inlineBatches } from "../../src/dataset/batches.ts";
import { createSamples, type Dataset, type Samples } from "../../src/dataset/dataset.ts";
import { readImage } from "../../src/dataset/image-file.ts";
import { shapesDataset } from "../../src/dataset/shapes.ts";
import type { GraphDefinition } from "../../src/graph/onnx.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import { parseRecipe } from "../../src/training/recipe.ts";
import { buildTrainingStep } from "../../src/training/step.ts";
import { trainableOf } from "../network/small.ts";
import * as simple from "./simple-operators.ts";

afterAll(() => {
  vi.doUnmock("../../src/graph/conv.ts");
  vi.resetModules();
});

const conv = (channels: number, stride: 1 | 2 = 1) => [
  { type: "conv", channels, stride },
  { type: "batchNorm" },
  { type: "relu" },
];
const head = [
  { type: "parallel", branches: [[{ type: "globalAveragePool" }], [{ type: "globalMaxPool" }]] },
  { type: "linear", features: "classes" },
];
const blueprint = parseBlueprint({
  name: "every operator that was made fast",
  input: [3, 32, 32],
  stages: [
    { layers: [...conv(16, 2), ...conv(20), { type: "maxPool" }], head },
    {
      layers: [
        { type: "residual", layers: [...conv(12), { type: "conv", channels: 20 }, { type: "batchNorm" }] },
        { type: "relu" },
      ],
      head: [{ type: "maxPool" }, { type: "conv", channels: 16, kernel: 1, bias: true }, { type: "relu" }, ...head],
    },
  ],
});
const recipe = parseRecipe({
  batchSize: 16,
  optimizer: { name: "sgd", momentum: 0.9, weightDecay: 5e-3 },
  initialisation: "he", // "dirac" passes zeros through to the first max pool, and at a tie ours goes to all, the plain one to the first
  labelSmoothing: 0.1,
  distillation: { weight: 0.3 },
  gradientNorm: 2,
});
const STEPS = 100;

interface Pictures extends Pick<Dataset, "imageShape" | "classes"> {
  readonly train: Samples;
}

function drawnPictures(): Pictures {
  const { imageShape, classes, train } = shapesDataset({ trainCount: 400, testCount: 10 });
  return { imageShape, classes, train: train! };
}

/** A folder per class. */
const PHOTOGRAPHS = fileURLToPath(new URL("../../../shared/data/images", import.meta.url));

async function photographs(): Promise<Pictures> {
  const imageShape = [3, 32, 32] as const;
  const classes = readdirSync(PHOTOGRAPHS).sort();
  const files = classes.flatMap((name, label) =>
    readdirSync(join(PHOTOGRAPHS, name)).map((file) => ({ path: join(PHOTOGRAPHS, name, file), label })),
  );
  const pixels = await Promise.all(files.map(({ path }) => readImage(path, imageShape)));
  const labels = Uint16Array.from(files, ({ label }) => label);
  return { imageShape, classes, train: createSamples(Uint8Array.from(pixels.flatMap((one) => [...one])), labels) };
}

/** The step of a network for so many classes. */
type BuildStep = (classes: number) => GraphDefinition;

const fastBuild: BuildStep = (classes) => buildTrainingStep(trainableOf(blueprint, classes), recipe);

/** The loss of every step. @param nudge times each first weight */
async function lossCurve(data: Pictures, build: BuildStep, nudge = 1): Promise<number[]> {
  const program = await Program.compile(createNodeRuntime({ threads: 1 }), build(data.classes.length), {
    optimizeFor: "training",
  });
  for (const [name, { data: values }] of await program.variables())
    program.write(
      name,
      values.map((one) => one * nudge),
    );
  const batches = inlineBatches({
    samples: data.train,
    imageShape: data.imageShape,
    classCount: data.classes.length,
    batchSize: recipe.batchSize,
    normalisation: channelStatistics(data.train, data.imageShape),
    augmentation: recipe.augmentation,
    seed: 1,
  });
  const losses: number[] = [];
  const random = seededRandom(2);
  for (let step = 0; step < STEPS; step++) {
    const { images, targets } = await batches.next();
    // drawn images are flat in places: at a tie our max pool gives to all, the plain one to the first
    for (let i = 0; i < images.length; i++) images[i]! += 0.1 * normal(random);
    const feeds = { images, targets, learningRate: Float32Array.of(0.02), exitWeights: Float32Array.of(0.5, 0.5) };
    losses.push((await program.run(feeds, step)).loss![0]!);
  }
  await program.close();
  return losses;
}

/** The same step of the plain operators: all modules anew, with these in place of the fast ones. */
async function simpleBuild(): Promise<BuildStep> {
  vi.resetModules();
  const { conv2d, batchNorm, relu, maxPool, globalMaxPool } = simple;
  const replace = (path: string, ours: object): void => {
    vi.doMock(path, async (original) => ({ ...(await original<object>()), ...ours }));
  };
  replace("../../src/graph/conv.ts", { conv2d });
  replace("../../src/graph/batchnorm.ts", { batchNorm });
  replace("../../src/graph/elementwise.ts", { relu });
  replace("../../src/graph/pool.ts", { maxPool, globalMaxPool });
  const step = await import("../../src/training/step.ts");
  const { trainableOf } = await import("../network/small.ts");
  return (classes) => step.buildTrainingStep(trainableOf(blueprint, classes), recipe);
}

function furthest(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((one, i) => Math.abs(one - b[i]!)));
}

const TITLE = "100 steps of the fast operators learn as those of the plain ones do, but for rounding";
const hasPhotographs = existsSync(PHOTOGRAPHS);

test(`${TITLE}: drawn pictures`, { timeout: 300_000 }, () => compare(drawnPictures()));

test.skipIf(!hasPhotographs)(
  `${TITLE}: photographs${hasPhotographs ? "" : " (not at hand)"}`,
  { timeout: 300_000 },
  async () => compare(await photographs()),
);

async function compare(data: Pictures): Promise<void> {
  const build = await simpleBuild();
  const { operators } = serialize(build(4));
  for (const fast of ["Conv", "Relu", "HardSigmoid"]) expect(operators).not.toContain(fast);
  const plain = await lossCurve(data, build);
  const fast = await lossCurve(data, fastBuild);
  // What rounding alone does: the same operators from weights that differ in their last digit. It grows from step to step.
  const nudged = await lossCurve(data, fastBuild, 1 + 2 ** -22);
  expect(furthest(fast.slice(0, 10), plain.slice(0, 10))).toBeLessThan(2e-5); // sums of some thousand float32 products
  expect(furthest(fast, plain)).toBeLessThan(10 * furthest(fast, nudged) + 1e-4);
  expect(furthest(fast, plain)).toBeGreaterThan(0); // else both were the same operators
  expect(fast.at(-1)!).toBeLessThan(fast[0]! - 0.2); // it learned, so that there was something to differ in
}
