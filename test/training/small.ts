/** A dataset and a network of a few thousand multiply-accumulates. */
import { createSamples, type Dataset, type Samples } from "../../src/dataset/dataset.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { integer, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import type { Checkpoint } from "../../src/training/checkpoint.ts";
import { parseRecipe, type Recipe, type RecipeInput } from "../../src/training/recipe.ts";
import { type TrainOptions, trainNetwork } from "../../src/training/train.ts";

export const runtime = createNodeRuntime({ threads: 1 });

export const CLASSES = ["cat", "dog", "bird", "fish"];
const SIDE = 8;

/** Noise on two channels: nothing to be learned but each image itself. */
function noise(count: number, seed: number): Samples {
  const random = seededRandom(seed);
  const pixels = Uint8Array.from({ length: count * 2 * SIDE * SIDE }, () => integer(random, 0, 255));
  return createSamples(
    pixels,
    Uint16Array.from({ length: count }, (_, i) => i % CLASSES.length),
  );
}

export const dataset: Dataset = {
  name: "noise",
  imageShape: [2, SIDE, SIDE],
  classes: CLASSES,
  train: noise(32, 1),
  validation: noise(16, 2),
  test: noise(16, 3),
};

const both = { type: "parallel", branches: [[{ type: "globalAveragePool" }], [{ type: "globalMaxPool" }]] } as const;

/** Two stages, with dropout in the first one and in the last head unless the rate is 0. */
export function smallBlueprint(dropoutRate: number) {
  const dropout = dropoutRate > 0 ? [{ type: "dropout" as const, rate: dropoutRate }] : [];
  return parseBlueprint({
    name: "small",
    input: [2, SIDE, SIDE],
    stages: [
      {
        layers: [
          { type: "conv", channels: 12, bias: true },
          { type: "batchNorm" },
          { type: "relu" },
          { type: "maxPool" },
        ],
        head: [...dropout, both, { type: "linear", features: "classes" }],
      },
      {
        layers: [{ type: "conv", channels: 16 }, { type: "batchNorm" }, { type: "relu" }],
        head: [both, { type: "batchNorm" }, ...dropout, { type: "linear", features: "classes" }],
      },
    ],
  });
}

/** Eight images a step, so four steps an epoch; nothing augmented. */
export function smallRecipe(changes: Partial<RecipeInput> = {}): Recipe {
  return parseRecipe({
    epochs: 2,
    batchSize: 8,
    learningRate: 0.05,
    augmentation: { padding: 0, flip: false, cutout: 0 },
    ...changes,
  });
}

export function train(changes: Partial<TrainOptions> = {}) {
  return trainNetwork({
    runtime,
    blueprint: smallBlueprint(0.3),
    dataset,
    recipe: smallRecipe(),
    seed: 1,
    ...changes,
  });
}

/** All checkpoints of a training, one per step. */
export function recorder() {
  const checkpoints: Checkpoint[] = [];
  return {
    checkpoints,
    options: {
      checkpointEvery: 1,
      saveCheckpoint: async (one: Checkpoint) => {
        checkpoints.push(one);
      },
    },
  };
}
