import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { resolveRunConfig } from "../../src/cli/run-config.ts";
import { buildTrainingStep } from "../../src/training/step.ts";
import { trainableOf } from "../network/small.ts";

test.each(readdirSync("configs"))("configs/%s is a whole run, whose training step can be built", async (file) => {
  const { blueprint, recipe, seed } = await resolveRunConfig({ config: `configs/${file}`, source: "anywhere" });
  const { outputs } = buildTrainingStep(trainableOf(blueprint, 10), recipe, { seed });
  expect(Object.keys(outputs)).toContain("loss");
});
