import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { resolveRunConfig } from "../../src/cli/run-config.ts";
import { builtInBlueprint } from "../../src/network/blueprints.ts";
import { networkCost } from "../../src/network/cost.ts";
import { buildTrainingStep } from "../../src/training/step.ts";

test.each(readdirSync("configs"))("configs/%s is a whole run, whose training step can be built", async (file) => {
  const { blueprint, recipe, seed } = await resolveRunConfig({ config: `configs/${file}`, source: "anywhere" });
  const { outputs } = buildTrainingStep(blueprint, 10, recipe, { seed });
  expect(Object.keys(outputs)).toContain("loss");
});

test("the fast preset is compact in its costs", async () => {
  const { blueprint } = await resolveRunConfig({ config: "configs/fast.json", source: "anywhere" });
  expect(networkCost(blueprint, 10).exitMacs).toEqual(networkCost(builtInBlueprint("compact"), 10).exitMacs);
});
