/** What the API chooses where nobody says: the same as `earlyexit run`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { shapesDataset } from "../../src/dataset/shapes.ts";
import { trainNetwork } from "../../src/story/node.ts";
import { chosenTraining, openDataset } from "../../src/story/own-pictures.ts";
import { photosRecipe } from "../../src/training/photos.ts";
import { builtInRecipe } from "../../src/training/recipe.ts";
import { drawPictures } from "../cli/drawn-pictures.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-own-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
await drawPictures(folder, 240);
const options = { cacheFolder: join(folder, ".cache") };

test("a folder of pictures is opened in their own size, more of few pictures validate", async () => {
  const { imageShape, train, validation, test: judged } = await openDataset(folder, options);
  expect(imageShape).toEqual([3, 32, 32]);
  expect(train!.count + validation!.count + judged.count).toBe(240);
  expect(validation!.count / (train!.count + validation!.count)).toBeCloseTo(0.3, 1);
  const asTold = await openDataset(folder, { ...options, size: 20, validationFraction: 0.1 });
  expect(asTold.imageShape).toEqual([3, 20, 20]);
  expect(asTold.validation!.count).toBeLessThan(validation!.count / 2);
});

test("pictures begin from the network that comes along, with the recipe for so many", async () => {
  const data = await openDataset(folder, options);
  const set = { count: data.train!.count, shape: data.imageShape };
  const chosen = await chosenTraining({ data });
  expect(chosen).toMatchObject({ blueprint: "compact", recipe: photosRecipe({ ...set, isLearned: true }) });
  expect(chosen.from!.classes).toContain("airplane");
  const fresh = await chosenTraining({ data, from: null });
  expect(fresh).toEqual({ blueprint: "compact", recipe: photosRecipe({ ...set, isLearned: false }) });
  expect((await chosenTraining({ data, blueprint: "tiny" })).from).toBeUndefined();
  expect((await chosenTraining({ data, epochs: 3 })).recipe).toEqual({ ...chosen.recipe, epochs: 3 });
});

test("other data keep what they had", async () => {
  const data = shapesDataset({ trainCount: 40, testCount: 10 });
  expect(await chosenTraining({ data })).toEqual({ blueprint: "tiny", recipe: builtInRecipe("quick") });
  const pixels = await chosenTraining({ data: { ...data, name: "digits" } });
  expect(pixels).toEqual({ blueprint: "compact", recipe: builtInRecipe("standard") });
});

test("trainNetwork({ data }) does so", async () => {
  const data = await openDataset(folder, options);
  const stop = new AbortController();
  const seen: number[] = [];
  const training = trainNetwork({
    data,
    signal: stop.signal,
    onProgress: ({ epochs, accuracy }) => {
      seen.push(epochs, accuracy.length);
      stop.abort();
    },
  });
  await expect(training).rejects.toThrow("stopped after step 1 of");
  expect(seen).toEqual([200, 4]); // of the recipe for 150 pictures, and the four exits of `compact`
});
