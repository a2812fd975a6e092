import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { builtInRecipe, parseRecipe, recipeNames } from "../../src/training/recipe.ts";

test("an empty recipe is whole: every field has a default", () => {
  expect(parseRecipe({})).toEqual({
    epochs: 20,
    batchSize: 128,
    optimizer: { name: "sgd", momentum: 0.9, weightDecay: 5e-4 },
    learningRate: 0.1,
    biasRateFactor: 1,
    linearRateFactor: 1,
    initialisation: "he",
    exitWeights: "equal",
    schedule: { name: "triangular", warmup: 0.2, end: 0.01 },
    labelSmoothing: 0,
    gradientNorm: null,
    augmentation: { padding: 2, flip: true, cutout: 0 },
    averageDecay: null,
    weightPrecision: "float32",
    validateEvery: 5,
  });
});

test.each(recipeNames)("%s can be stored and read again, and changed", (name) => {
  const recipe = builtInRecipe(name);
  expect(parseRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
  expect(builtInRecipe(name, { epochs: 3 })).toEqual({ ...recipe, epochs: 3 });
});

describe("a recipe that is not as expected is the user's mistake", () => {
  test.each([
    ["misspelt", { learningrate: 0.1 }, 'the top: Unrecognized key: "learningrate"'],
    ["misspelt inside", { optimizer: { name: "sgd", decay: 0.1 } }, 'optimizer: Unrecognized key: "decay"'],
    ["no such optimizer", { optimizer: { name: "lion" } }, "optimizer.name: "],
    ["no such schedule", { schedule: { name: "linear" } }, "schedule.name: "],
    ["batch of one", { batchSize: 1 }, "batchSize: Too small"],
    ["half a batch", { batchSize: 2.5 }, "batchSize: "],
    ["no epochs", { epochs: 0 }, "epochs: Too small"],
    ["a rate below 0", { learningRate: -0.1 }, "learningRate: Too small"],
    ["a decay of 1", { averageDecay: 1 }, "averageDecay: Too big"],
    ["momentum of 1", { optimizer: { name: "sgd", momentum: 1 } }, "optimizer.momentum: Too big"],
    ["exit weights of text", { exitWeights: { start: ["a", "b"], end: [1, 1] } }, "exitWeights.start.0: "],
    ["exit weights of no such name", { exitWeights: "falling" }, "exitWeights: "],
    ["exit weights at one end", { exitWeights: { start: [0.5, 0.5] } }, "exitWeights.end: "],
    // normalising them would divide by 0
    [
      "exit weights of 0",
      { exitWeights: { start: [0, 0], end: [1, 1] } },
      "exitWeights.start: at least one weight above 0",
    ],
    ["a gradient norm of 0", { gradientNorm: 0 }, "gradientNorm: "],
    ["no object", "fast", "the top: "],
  ])("%s", (_, data, message) => {
    expect(() => parseRecipe(data, "mine.json")).toThrow(UserError);
    expect(() => parseRecipe(data, "mine.json")).toThrow(`mine.json: a training recipe expected, found at ${message}`);
  });

  test("an unknown name", () => {
    expect(() => builtInRecipe("slow")).toThrow(UserError);
    expect(() => builtInRecipe("slow")).toThrow(
      `recipe: ${recipeNames.join(", ")} or a JSON file expected, found slow`,
    );
  });
});
