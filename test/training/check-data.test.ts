import { expect, test } from "vitest";
import { balancedWeights } from "../../src/dataset/batches.ts";
import { createSamples, type Dataset } from "../../src/dataset/dataset.ts";
import { UserError } from "../../src/errors.ts";
import { checkData } from "../../src/training/check-data.ts";

/** One pixel each: the picture is a number. */
const samples = (values: number[], labels: number[]) =>
  createSamples(Uint8Array.from(values), Uint16Array.from(labels));
const data: Dataset = {
  name: "photos",
  imageShape: [1, 1, 1],
  classes: ["cat", "dog"],
  train: samples([1, 2, 3, 4], [0, 0, 1, 1]),
  validation: samples([5, 6], [0, 1]),
  test: samples([7, 8], [0, 1]),
};
const recipe = { batchSize: 4 };

test("data without fault passes", () => {
  expect(() => checkData(data, recipe, true)).not.toThrow();
});

test.each([
  [
    "only a test part",
    { train: null, validation: null },
    "pictures to train on expected in photos, found only a test part",
  ],
  ["one class alone", { classes: ["cat"] }, "at least 2 classes expected in photos, found 1 (cat)"],
  [
    "classes without a picture to learn from",
    { classes: ["cat", "dog", "emu", "fox"] },
    "expected of every class in photos, found none of emu, fox; add some",
  ],
  [
    "a test picture that is a training picture",
    { test: samples([7, 3, 1], [0, 1, 0]) },
    "pictures for test that are not among those to train on expected in photos, found 2 of 3 that are",
  ],
  [
    "a test picture to validate on",
    { test: samples([6, 8], [1, 1]) },
    "for test that are not among those to validate on",
  ],
  ["a validation picture that is one", { validation: samples([4, 6], [0, 1]) }, "pictures for validation that are not"],
])("%s is told", (_, change, message) => {
  expect(() => checkData({ ...data, ...change }, recipe, true)).toThrow(UserError);
  expect(() => checkData({ ...data, ...change }, recipe, true)).toThrow(message);
});

test("fewer pictures than a step takes are told with both numbers", () => {
  expect(() => checkData(data, { batchSize: 5 }, true)).toThrow(
    "at least 5 pictures to train on expected, as many as one step takes, found 4 in photos",
  );
});

test("sets made for comparing are taken as they are: CIFAR-10 has a few of its pictures twice", () => {
  expect(() => checkData({ ...data, test: data.train! }, recipe, false)).not.toThrow();
});

test("balanced weights: classes weigh alike in sum, pictures 1 on average, an absent class nothing", () => {
  const labels = Uint16Array.from([0, 0, 0, 0, 0, 0, 1, 1, 3, 3]);
  const weights = balancedWeights(labels, 4);
  const sums = [0, 1, 3].map((label) => labels.filter((one) => one === label).length * weights[label]!);
  for (const sum of sums) expect(sum).toBeCloseTo(10 / 3, 9);
  expect(weights[2]).toBe(1);
});
