import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { recipeData, resolveBlueprint, resolveRunConfig } from "../../src/cli/run-config.ts";
import { builtInRecipe } from "../../src/training/recipe.ts";
import { buildTrainingStep } from "../../src/training/step.ts";
import { trainableOf } from "../network/small.ts";

test.each(readdirSync("configs"))("configs/%s is a whole run, whose training step can be built", async (file) => {
  const asked = await resolveRunConfig({ config: `configs/${file}`, source: "anywhere" });
  const blueprint = await resolveBlueprint(asked.blueprint!);
  const recipe = (await recipeData(asked.recipe!)) ?? builtInRecipe(asked.recipe as string);
  const { seed } = asked;
  const { outputs } = buildTrainingStep(trainableOf(blueprint, 10), recipe, { seed });
  expect(Object.keys(outputs)).toContain("loss");
});
