import { describe, expect, test } from "vitest";
import type { Dataset } from "../../src/dataset/dataset.ts";
import { createSamples } from "../../src/dataset/dataset.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { UserError } from "../../src/errors.ts";
import { answersOf, plainRule } from "../../src/exits/answers.ts";
import { exitAccuracies } from "../../src/exits/environment.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import type { Layer } from "../../src/network/blueprint.ts";
import { pictureOf } from "../../src/network/staged-network.ts";
import type { Weights } from "../../src/network/weights.ts";
import type { Checkpoint } from "../../src/training/checkpoint.ts";
import type { RecipeInput } from "../../src/training/recipe.ts";
import { averageDecayAt } from "../../src/training/schedule.ts";
import type { TrainOptions } from "../../src/training/train.ts";
import type { TrainingProgress } from "../../src/training/training-loop.ts";
import { whiteningFilters } from "../../src/training/whitening.ts";
import { weightsOf } from "../network/small.ts";
import { CLASSES, dataset, recorder, runtime, smallBlueprint, smallRecipe, train } from "./small.ts";

/** All that a recipe can ask for. */
const everything: Partial<RecipeInput> = {
  augmentation: { padding: 2, flip: true, cutout: 2 },
  averageDecay: 0.9,
  distillation: { weight: 0.3 },
  labelSmoothing: 0.1,
  gradientNorm: 2,
  biasRateFactor: 4,
};

/** To eleven binary digits, ties to even; the values here are far from the ends of the range. */
function toHalf(value: number): number {
  if (value === 0) return value;
  const unit = 2 ** Math.max(Math.floor(Math.log2(Math.abs(value))) - 10, -24);
  const scaled = value / unit;
  const down = Math.floor(scaled);
  const isUp = scaled - down > 0.5 || (scaled - down === 0.5 && down % 2 !== 0);
  return (isUp ? down + 1 : down) * unit;
}

function differs(a: Weights, b: Weights): boolean {
  return [...a].some(([name, { data }]) => data.some((value, i) => value !== b.get(name)!.data[i]));
}

/** Of the small network: a bias before a batch norm changes nothing, and so stays as it began. */
const CANCELLED = "stages.0.layers.0.bias";

describe("learning", () => {
  test("a whitening layer keeps its filters, computed from the training images, and trains its bias", async () => {
    const { stages, ...rest } = smallBlueprint(0);
    const [first, ...others] = stages;
    const layers: Layer[] = [{ type: "whitening", channels: 6 }, { type: "relu" }, ...first!.layers];
    const network = await train({
      blueprint: { ...rest, stages: [{ ...first!, layers }, ...others] },
      recipe: smallRecipe({ epochs: 3, averageDecay: 0.9, initialisation: "dirac" }),
    });
    const filters = weightsOf(network).get("stages.0.layers.0.weight")!;
    const { imageShape } = dataset;
    expect(filters.data).toEqual(
      await whiteningFilters(dataset.train!, imageShape, pictureOf(network).normalisation, 6),
    );
    expect(
      weightsOf(network)
        .get("stages.0.layers.0.bias")!
        .data.some((one) => one !== 0),
    ).toBe(true);
  });

  test("fixedWhitening holds that bias, too, and nothing else", async () => {
    const { stages, ...rest } = smallBlueprint(0);
    const [first, ...others] = stages;
    const layers: Layer[] = [{ type: "whitening", channels: 6 }, { type: "relu" }, ...first!.layers];
    const recipe = smallRecipe({ epochs: 3, averageDecay: 0.9, fixedWhitening: true });
    const network = await train({ blueprint: { ...rest, stages: [{ ...first!, layers }, ...others] }, recipe });
    const isMoved = (name: string): boolean =>
      weightsOf(network)
        .get(name)!
        .data.some((one) => one !== 0);
    expect(isMoved("stages.0.layers.0.bias")).toBe(false);
    expect(isMoved("stages.0.layers.3.beta")).toBe(true);
  });

  test("kept in half precision, the weights that are multiplied are rounded to it, and nothing else is", async () => {
    const recipe = { epochs: 1, averageDecay: 0.5 };
    const exact = await train({ recipe: smallRecipe(recipe) });
    const rounded = await train({ recipe: smallRecipe({ ...recipe, weightPrecision: "float16" }) });
    for (const [name, { data }] of weightsOf(exact)) {
      const expected = name.endsWith(".weight") ? data.map(toHalf) : data;
      expect(weightsOf(rounded).get(name)!.data, name).toEqual(expected);
    }
    expect(differs(weightsOf(exact), weightsOf(rounded))).toBe(true);
  });

  test("32 images of noise are learned by heart at every exit", async () => {
    const losses: number[] = [];
    const network = await train({
      blueprint: smallBlueprint(0),
      recipe: smallRecipe({ epochs: 100, batchSize: 32, learningRate: 0.3 }),
      onProgress: ({ loss }) => losses.push(loss),
    });
    expect(losses[0]!).toBeGreaterThan(Math.log(4) * 0.8); // chance, or thereabouts
    expect(losses.at(-1)!).toBeLessThan(0.05);
    // with running statistics and folded batch norm, as inference computes it
    const table = await computeExitTable(runtime, network, dataset.train!);
    expect(exitAccuracies(answersOf(table, plainRule(2)))).toEqual([1, 1]);
  });

  test("the number of steps is the epochs times the whole batches", async () => {
    for (const [epochs, batchSize, steps] of [
      [2, 8, 8],
      [1, 10, 3], // two images of 32 are left over
      [2.5, 10, 8], // 7.5
      [0.25, 8, 1],
    ] as const) {
      const seen: number[] = [];
      await train({ recipe: smallRecipe({ epochs, batchSize }), onProgress: ({ step }) => seen.push(step) });
      expect(seen).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    }
  });
});

describe("the same seed", () => {
  test("gives the same bytes; another one gives others", async () => {
    const recipe = smallRecipe({ epochs: 1, ...everything });
    const [once, again, other] = [await train({ recipe }), await train({ recipe }), await train({ recipe, seed: 2 })];
    expect(weightsOf(again)).toEqual(weightsOf(once));
    for (const [name, { data }] of weightsOf(once)) {
      expect(data.every(Number.isFinite), name).toBe(true);
      if (name !== CANCELLED) expect(weightsOf(other).get(name)!.data, name).not.toEqual(data);
    }
  });

  test.each<[string, Partial<RecipeInput>]>([
    ["AdamW, dropout, average", { optimizer: { name: "adamW" }, learningRate: 0.01, averageDecay: 0.9 }],
    ["SGD, augmentation, distillation", everything],
  ])("interrupted and resumed equals uninterrupted: %s", async (_, changes) => {
    const recipe = smallRecipe({ epochs: 2, ...changes });
    const whole = recorder();
    const uninterrupted = await train({ recipe, ...whole.options });
    for (const after of [1, 5]) {
      const controller = new AbortController();
      const first = recorder();
      const stopped = train({
        recipe,
        ...first.options,
        checkpointEvery: 1000,
        signal: controller.signal,
        onProgress: ({ step }) => {
          if (step === after) controller.abort();
        },
      });
      await expect(stopped).rejects.toMatchObject({ name: "AbortError", message: `stopped after step ${after} of 8` });
      expect(first.checkpoints.map(({ step }) => step)).toEqual([after]);
      const second = recorder();
      const resumed = await train({ recipe, ...second.options, resumeFrom: first.checkpoints[0]! });
      expect(weightsOf(resumed)).toEqual(weightsOf(uninterrupted));
      expect(second.checkpoints.map(({ step }) => step)).toEqual([2, 3, 4, 5, 6, 7, 8].slice(after - 1));
      // moments, statistics and averages too
      expect(second.checkpoints.at(-1)!.variables).toEqual(whole.checkpoints.at(-1)!.variables);
    }
  });

  describe("a checkpoint that does not belong to the training is refused", () => {
    const recipe = smallRecipe({ epochs: 2, optimizer: { name: "adamW" }, learningRate: 0.01, averageDecay: 0.9 });
    const { checkpoints, options } = recorder();
    const good = async (): Promise<Checkpoint> => {
      if (checkpoints.length === 0) await train({ recipe, ...options });
      return checkpoints[3]!;
    };
    type Change = (good: Checkpoint) => Partial<Checkpoint>;
    const without =
      (name: string): Change =>
      ({ variables }) => ({
        variables: new Map([...variables].filter(([one]) => one !== name)),
      });
    const withOne =
      (name: string, shape: readonly number[], ...values: number[]): Change =>
      ({ variables }) => ({
        variables: new Map([...variables, [name, { shape, data: Float32Array.from(values) }]]),
      });
    test.each<[string, Change, string]>([
      ["the optimizer's step is missing", without("adam.step"), "adam.step of shape [] expected, found none"],
      [
        "a moment is missing",
        without("stages.0.layers.0.weight.square"),
        "stages.0.layers.0.weight.square of shape [12,2,3,3]",
      ],
      [
        "a statistic is missing",
        without("stages.1.layers.1.variance"),
        "stages.1.layers.1.variance of shape [16] expected",
      ],
      [
        "an average is missing",
        without("stages.1.layers.1.beta.average"),
        "stages.1.layers.1.beta.average of shape [16]",
      ],
      ["nothing is there", () => ({ variables: new Map() }), "expected, found none"],
      ["a variable too many", withOne("more", [1], 1), "variables of this training expected, found more"],
      ["another shape", withOne("adam.step", [1], 1), "adam.step of shape [] expected, found [1]"],
      [
        "a value that is no number",
        withOne("adam.step", [], Number.NaN),
        "finite numbers in adam.step expected, found NaN",
      ],
      ["a step before the first", () => ({ step: -100 }), "a step from 0 to 8 expected, found -100"],
      ["a step behind the last", () => ({ step: 1e6 }), "a step from 0 to 8 expected, found 1000000"],
      ["half a step", () => ({ step: 0.5 }), "a step from 0 to 8 expected, found 0.5"],
      [
        "other data",
        ({ data }) => ({ data: { ...data, train: "ab" } }),
        "the train split that the training was begun with expected (SHA-256 ab...)",
      ],
      [
        "data with a split less",
        ({ data: { train } }) => ({ data: { train: train! } }),
        "the validation split that the training was begun with expected (SHA-256 none)",
      ],
    ])("%s", async (_, change, message) => {
      const checkpoint = await good();
      const resumed = train({ recipe, resumeFrom: { ...checkpoint, ...change(checkpoint) } });
      await expect(resumed).rejects.toThrow(UserError);
      await expect(resumed).rejects.toThrow(message);
    });
  });

  test("a training that was over is over", async () => {
    const { checkpoints, options } = recorder();
    const network = await train(options);
    const steps: number[] = [];
    const again = await train({ resumeFrom: checkpoints.at(-1)!, onProgress: ({ step }) => steps.push(step) });
    expect(steps).toEqual([]);
    expect(weightsOf(again)).toEqual(weightsOf(network));
  });
});

test("a network whose last step made no numbers of its weights is not returned", async () => {
  // the first step has a rate of 0, the loss of the second is of before it: nothing ever looks at the weights again
  const recipe = smallRecipe({ epochs: 0.5, learningRate: 1e300 });
  const training = train({ recipe });
  await expect(training).rejects.toThrow(UserError);
  await expect(training).rejects.toThrow(
    /train \(after the last step\): finite numbers in stages\..* expected, found (NaN|-?Infinity)/,
  );
});

describe("checkpoints", () => {
  test("come every so many steps and at the end", async () => {
    const { checkpoints, options } = recorder();
    await train({ ...options, checkpointEvery: 3 });
    expect(checkpoints.map(({ step }) => step)).toEqual([3, 6, 8]);
  });

  test("come by time as well, so that slow steps lose no more than that", async () => {
    const { checkpoints, options } = recorder();
    await train({ ...options, checkpointEvery: 1000, checkpointSeconds: 0 });
    expect(checkpoints.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test("an aborted training without anywhere to save still stops", async () => {
    const steps: number[] = [];
    const stopped = train({ signal: AbortSignal.abort(), onProgress: ({ step }) => steps.push(step) });
    await expect(stopped).rejects.toThrow("stopped after step 1 of 8");
    expect(steps).toEqual([1]);
  });

  test("an abort in the last step changes nothing any more", async () => {
    const controller = new AbortController();
    const network = await train({
      signal: controller.signal,
      onProgress: ({ step, steps }) => {
        if (step === steps) controller.abort();
      },
    });
    expect(weightsOf(network)).toEqual(weightsOf(await train()));
  });
});

describe("progress", () => {
  test("tells where the training stands, and looks at validation now and then", async () => {
    const lines: TrainingProgress[] = [];
    const looks: Weights[] = [];
    const network = await train({
      recipe: smallRecipe({ epochs: 3, learningRate: 0.1, validateEvery: 2 }),
      onProgress: (line) => lines.push(line),
      validate: async (network) => {
        looks.push(weightsOf(network));
        return [0.25, 0.5];
      },
    });
    expect(lines).toHaveLength(12);
    lines.forEach((line, i) => {
      expect(line).toMatchObject({ kind: "train", step: i + 1, steps: 12, epoch: (i + 1) / 4, epochs: 3 });
      expect(line.accuracy).toHaveLength(2);
      for (const share of line.accuracy) expect([0, 1, 2, 3, 4, 5, 6, 7, 8]).toContain(share * 8);
      expect(line.loss).toBeGreaterThan(0);
      expect(line.gradientNorm).toBeGreaterThan(0);
      expect(line.imagesPerSecond).toBeGreaterThan(0);
      expect(line.secondsLeft).toBeCloseTo(((12 - line.step) * 8) / line.imagesPerSecond, 6);
    });
    // a triangle of 3 epochs: up over 0.6, down to 1%
    expect(lines[0]!.learningRate).toBe(0);
    expect(lines[1]!.learningRate).toBeCloseTo(0.1 * (1 / 12 / 0.2), 7);
    expect(lines[6]!.learningRate).toBeCloseTo(0.1 * (1 - (0.99 * 0.3) / 0.8), 7);
    expect(lines.flatMap(({ step, validationAccuracy }) => (validationAccuracy ? [step] : []))).toEqual([8, 12]);
    expect(lines[7]!.validationAccuracy).toEqual([0.25, 0.5]);
    expect(looks).toHaveLength(2);
    expect(differs(looks[0]!, looks[1]!)).toBe(true); // copies of their moment
    expect(looks[1]).toEqual(weightsOf(network));
  });

  test("the network knows where it comes from", async () => {
    const recipe = smallRecipe({ epochs: 0.25 });
    const network = await train({ recipe, seed: 5 });
    expect(network.classes).toEqual(CLASSES);
    expect(network.provenance).toMatchObject({
      dataset: {
        name: "noise",
        sha256: {
          train: dataset.train!.sha256,
          validation: dataset.validation!.sha256,
          test: dataset.test.sha256,
        },
      },
      seed: 5,
      recipe,
    });
    const channel = (c: number): number[] =>
      [...allPixels(dataset.train!.pixels)].filter((_, i) => Math.floor(i / 64) % 2 === c).map((value) => value / 255);
    const mean = channel(1).reduce((a, b) => a + b) / channel(1).length;
    expect(pictureOf(network).normalisation.mean[1]).toBeCloseTo(mean, 9);
  });
});

describe("the weights that are kept", () => {
  const keptFrom = ({ variables }: Checkpoint, suffix: string): Weights =>
    new Map(
      [...variables]
        .filter(([name]) => variables.has(`${name}.average`))
        .map(([name, { shape }]) => [name, { shape, data: variables.get(name + suffix)!.data }]),
    );

  test("are the averages where the recipe asks for them, statistics included", async () => {
    const { checkpoints, options } = recorder();
    const network = await train({ recipe: smallRecipe({ averageDecay: 0.4 }), ...options });
    const last = checkpoints.at(-1)!;
    const byName = (weights: Weights) => Object.fromEntries(weights);
    expect(byName(weightsOf(network))).toEqual(byName(keptFrom(last, ".average")));
    expect(differs(weightsOf(network), keptFrom(last, ""))).toBe(true);
    expect([...weightsOf(network).keys()]).toContain("stages.0.layers.1.variance");
    // average <- decay average + (1 - decay) value, in float64
    for (const name of ["stages.1.layers.0.weight", "stages.0.layers.1.mean"])
      for (let i = 1; i < checkpoints.length; i++) {
        const decay = averageDecayAt(0.4, i);
        const before = checkpoints[i - 1]!.variables.get(`${name}.average`)!.data;
        const value = checkpoints[i]!.variables.get(name)!.data;
        checkpoints[i]!.variables.get(`${name}.average`)!.data.forEach((average, j) => {
          expect(average).toBeCloseTo(decay * before[j]! + (1 - decay) * value[j]!, 6);
        });
      }
  });

  test("are the last ones otherwise", async () => {
    const { checkpoints, options } = recorder();
    const network = await train(options);
    const { variables } = checkpoints.at(-1)!;
    expect([...variables.keys()].filter((name) => name.endsWith(".average"))).toEqual([]);
    for (const [name, weight] of weightsOf(network)) expect(weight, name).toEqual(variables.get(name));
  });
});

describe("the user's mistakes", () => {
  const userError: (options: Partial<TrainOptions>) => Promise<unknown> = (options) =>
    train(options).then(
      () => expect.unreachable("an error was expected"),
      (error: unknown) => {
        expect(error).toBeInstanceOf(UserError);
        return (error as UserError).message;
      },
    );

  test("a loss that is no number is told with its step", async () => {
    const steps: number[] = [];
    const { checkpoints, options } = recorder();
    const message = await userError({
      recipe: smallRecipe({ learningRate: 1e30 }),
      onProgress: ({ step }) => steps.push(step),
      ...options,
    });
    // the rate of step 1 is 0, so step 2 spoils the weights, and step 3 is the first to see them
    expect(message).toMatch(
      /^train: a finite loss expected, found (NaN|Infinity) at step 3, after the gradient of stages\.\S+ was largest \(norm \S+\); lower the learning rate/,
    );
    expect(steps).toEqual([1, 2]);
    expect(checkpoints.map(({ step }) => step)).toEqual([1, 2]);
  });

  const without: Dataset = { ...dataset, train: null, validation: null };
  const few: Dataset = {
    ...dataset,
    train: createSamples(new Uint8Array(7 * 2 * 64), new Uint16Array(7)),
  };
  const wide: Dataset = { ...dataset, imageShape: [2, 4, 16] };

  test.each<[string, Partial<TrainOptions>, string]>([
    [
      "no train part",
      { dataset: without },
      "train: a dataset with a training part expected, found only a test part in noise",
    ],
    ["too few images", { dataset: few }, "train: at least one batch of 8 images expected, found 7 in noise"],
    ["another image size", { dataset: wide }, "train: images of 2x8x8 expected by small, found 2x4x16 in noise"],
    [
      "too many exit weights",
      { recipe: smallRecipe({ exitWeights: { start: [1, 1], end: [0, 0.5, 1] } }) },
      "recipe: exitWeights.end of 2 numbers expected, found 3",
    ],
  ])("%s", async (_, options, message) => {
    expect(await userError(options)).toContain(message);
  });
});
