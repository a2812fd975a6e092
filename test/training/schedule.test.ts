import { describe, expect, test } from "vitest";
import { builtInRecipe, parseRecipe, type RecipeInput } from "../../src/training/recipe.ts";
import { averageDecayAt, exitWeightsAt, learningRateAt } from "../../src/training/schedule.ts";

const rates = (recipe: RecipeInput, epochs: readonly number[]): number[] =>
  epochs.map((epoch) => learningRateAt(parseRecipe(recipe), epoch));

function expectRates(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, rate] of expected.entries()) expect(found[i], `rate ${i}`).toBeCloseTo(rate, 12);
}

describe("learningRateAt", () => {
  test("triangular: straight up, straight down to a share of the peak", () => {
    const recipe: RecipeInput = {
      epochs: 10,
      learningRate: 2,
      schedule: { name: "triangular", warmup: 0.2, end: 0.1 },
    };
    // down by 1.8 over 8 epochs
    expectRates(rates(recipe, [0, 0.5, 1, 2, 4, 6, 10]), [0, 0.5, 1, 2, 1.55, 1.1, 0.2]);
  });

  test("triangular without warm-up begins at the peak", () => {
    const recipe: RecipeInput = { epochs: 4, learningRate: 1, schedule: { name: "triangular", warmup: 0, end: 0 } };
    expectRates(rates(recipe, [0, 1, 3]), [1, 0.75, 0.25]);
  });

  test("cosine: straight up for some epochs, then half a cosine to 0", () => {
    const recipe: RecipeInput = { epochs: 10, learningRate: 1, schedule: { name: "cosine", warmupEpochs: 2 } };
    const third = (1 + Math.cos(Math.PI / 4)) / 2; // 2 of 8 epochs down
    expectRates(rates(recipe, [0, 1, 2, 4, 6, 10]), [0, 0.5, 1, third, 0.5, 0]);
  });

  test("published: from 1e-3 to 1e-6, beginning again at epochs 10 and 30", () => {
    const recipe = builtInRecipe("published");
    const at = (epoch: number) => learningRateAt(recipe, epoch);
    expectRates([0, 10, 30].map(at), [1e-3, 1e-3, 1e-3]);
    expectRates([5, 20, 50].map(at), Array(3).fill((1e-3 + 1e-6) / 2)); // half way through 10, 20 and 40 epochs
    for (const last of [10, 30]) {
      expect(at(last - 1e-9)).toBeCloseTo(1e-6, 12);
      expect(at(last - 0.5)).toBeLessThan(1e-5);
    }
    expect(at(2.5)).toBeCloseTo(1e-6 + (0.999e-3 * (1 + Math.SQRT1_2)) / 2, 12);
  });

  test("restarts of a constant length", () => {
    const recipe: RecipeInput = {
      learningRate: 1,
      schedule: { name: "cosineRestarts", firstEpochs: 2, factor: 1, minimum: 0 },
    };
    expectRates(rates(recipe, [0, 1, 2, 3, 4, 17]), [1, 0.5, 1, 0.5, 1, 0.5]);
  });
});

describe("exitWeightsAt", () => {
  const published = builtInRecipe("published");

  test("published: from early to late exits, summing to 1", () => {
    const expectWeights = (progress: number, raw: readonly number[]): void => {
      const sum = raw.reduce((a, b) => a + b);
      const found = exitWeightsAt(published, 4, progress);
      raw.forEach((weight, k) => {
        expect(found[k], `exit ${k} at ${progress}`).toBeCloseTo(weight / sum, 6);
      });
    };
    expectWeights(0, [0.4, 0.2, 0.2, 0.2]);
    expectWeights(0.5, [0.2, 0.25, 0.3, 0.35]); // sum 1.1
    expectWeights(1, [0, 0.3, 0.4, 0.5]); // sum 1.2
  });

  test("rising: in proportion to 2, 3, 4, 5", () => {
    const found = exitWeightsAt(parseRecipe({ exitWeights: "rising" }), 4, 0.5);
    for (const [k, weight] of [2 / 14, 3 / 14, 4 / 14, 5 / 14].entries()) expect(found[k]).toBeCloseTo(weight, 6);
  });

  test("all equal by default", () => {
    for (const progress of [0, 0.3, 1])
      expect([...exitWeightsAt(parseRecipe({}), 4, progress)]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });
});

test("the weight average forgets the start quickly, then keeps its decay", () => {
  expect([0, 1, 8].map((step) => averageDecayAt(0.9, step))).toEqual([0.1, 2 / 11, 0.5]);
  expect(averageDecayAt(0.9, 79)).toBeLessThan(0.9);
  expect(averageDecayAt(0.9, 81)).toBe(0.9);
  expect(averageDecayAt(0, 5)).toBe(0);
});
