import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { chooseShape, recipeByName, trainingMinutes, validationShare } from "../../src/training/choice.ts";
import { fallenApart, hasStalled } from "../../src/training/early-end.ts";
import { photosRecipe } from "../../src/training/photos.ts";
import { parseRecipe } from "../../src/training/recipe.ts";

const shape = [3, 64, 64] as const;

describe("the recipe for photographs", () => {
  test("steps decide, not epochs: few pictures are seen often", () => {
    const steps = (count: number, isLearned: boolean) => {
      const { epochs, batchSize } = photosRecipe({ count, shape, isLearned });
      return { epochs, batchSize, steps: epochs * Math.floor(count / batchSize) };
    };
    const learned = steps(2500, true);
    expect(learned.batchSize).toBe(64);
    expect(Math.abs(learned.steps - steps(5000, true).steps)).toBeLessThan(100);
    expect(steps(2500, false).steps).toBeGreaterThan(1.5 * learned.steps);
    expect(steps(280, true)).toEqual({ epochs: 200, batchSize: 32, steps: 1600 });
    expect(steps(40, true).batchSize).toBe(4); // eight steps or more an epoch, where that can be
    expect(steps(100_000, true).epochs).toBe(12);
  });

  test("the fewer pictures, the more they are varied", () => {
    const [few, some, many] = [300, 3000, 30_000].map(
      (count) => photosRecipe({ count, shape, isLearned: true }).augmentation,
    );
    expect(few!.zoom!.area[0]).toBe(0.2);
    expect(many!.zoom!.area[0]).toBe(0.7);
    expect(some!.zoom!.area[0]).toBeGreaterThan(0.2);
    expect(some!.zoom!.area[0]).toBeLessThan(0.7);
    expect(few!.colour!.contrast).toBe(0.4);
    expect(many!.colour!.contrast).toBe(0.1);
    expect([few!.cutout, many!.cutout]).toEqual([22, 6]);
  });

  test("it is found by its name, for the pictures that there are", () => {
    const set = { count: 500, shape, isLearned: false };
    expect(recipeByName("photos", set)).toEqual(photosRecipe(set));
    expect(recipeByName("quick", set).epochs).toBe(8);
    expect(() => recipeByName("photo", set)).toThrow(UserError);
    expect(() => recipeByName("photo", set)).toThrow(
      "standard, fast, published, quick, photos or a JSON file expected, found photo",
    );
  });
});

describe("the size that is chosen", () => {
  const of = (count: number, side: number, isGrey = false, cores = 2) =>
    chooseShape({ count, side, isGrey }, cores).value;
  test.each([
    ["their own size up to 48", of(500, 28), [3, 28, 28]],
    ["and not below 16", of(500, 8), [3, 16, 16]],
    ["else 64", of(3000, 120), [3, 64, 64]],
    ["grey stays grey", of(3000, 28, true), [1, 28, 28]],
    ["96 where there are many and time allows", of(8000, 200), [3, 96, 96]],
    ["not where it would take too long", of(200_000, 200), [3, 64, 64]],
    ["not where they have less", of(8000, 80), [3, 64, 64]],
  ])("%s", (_, found, expected) => expect(found).toEqual(expected));

  test("the reason is said", () => {
    expect(chooseShape({ count: 3000, side: 120, isGrey: false }, 2).why).toMatch(
      /^size: 64x64, in colour, of pictures 120 pixels/,
    );
  });

  test("minutes: epochs x pictures x MACs over what the cores do, twice as fast on twice the cores", () => {
    const minutes = trainingMinutes(shape, { epochs: 100 }, 2500, 2);
    expect(minutes).toBeCloseTo((100 * 2500 * 123.1e6) / 50e9 / 60, 1);
    expect(trainingMinutes(shape, { epochs: 100 }, 2500, 4)).toBeCloseTo(minutes / 2, 6);
  });
});

test("of few pictures a larger share validates", () => {
  const of = (count: number) => validationShare({ count, side: 100, isGrey: false });
  expect([of(3000), of(600), of(100)]).toEqual([0.1, 0.25, 0.3]);
  expect(validationShare(null)).toBe(0.1);
});

describe("an early end", () => {
  const recipe = parseRecipe({ earlyEnd: { after: 0.5, looks: 3 } });
  test.each([
    ["three looks no better than the best before", [0.5, 0.7, 0.6, 0.7, 0.69], 0.5, true],
    ["not before its time", [0.5, 0.7, 0.6, 0.7, 0.69], 0.49, false],
    ["not while it gets better", [0.5, 0.7, 0.6, 0.6, 0.71], 0.9, false],
    ["not with too few looks", [0.7, 0.6, 0.5], 0.9, false],
  ])("%s", (_, looks, progress, expected) => expect(hasStalled(recipe, looks, progress)).toBe(expected));

  test("never where the recipe does not ask for it", () => {
    expect(hasStalled(parseRecipe({}), [1, 0, 0, 0, 0, 0], 1)).toBe(false);
  });
});

test("a training that ended far below its best look says so", () => {
  const looks = (...accuracies: number[]) => accuracies.map((accuracy, i) => ({ epoch: i + 1, accuracy }));
  expect(fallenApart(looks())).toBeNull();
  expect(fallenApart(looks(0.5, 0.84, 0.8))).toBeNull();
  expect(fallenApart(looks(0.5, 0.84, 0.24))).toBe(
    "warning: the training fell apart: on validation the exits were right for 84.0% after epoch 2.0, at the end for 24.0%; " +
      "lower the learning rate, or give fewer --epochs",
  );
});
