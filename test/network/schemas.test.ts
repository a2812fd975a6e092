/** The JSON Schemas that the package publishes are made from the zod schemas: `npx vitest run test/network/schemas.test.ts -u` writes them. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { configSchema } from "../../src/cli/run-config.ts";
import { blueprintSchema, parseBlueprint } from "../../src/network/blueprint.ts";
import { builtInBlueprint } from "../../src/network/blueprints.ts";
import { parseRecipe, recipeSchema } from "../../src/training/recipe.ts";

const published: Readonly<Record<string, { schema: z.ZodType; title: string }>> = {
  blueprint: {
    schema: blueprintSchema,
    title: "A network of earlyexit: stages one after the other, an exit at the end of each",
  },
  recipe: { schema: recipeSchema, title: "How earlyexit trains a network" },
  config: { schema: configSchema, title: "A run of earlyexit: what `run --config` takes" },
};

describe.each(Object.entries(published))("%s", (name, { schema, title }) => {
  const made = { title, ...z.toJSONSchema(schema, { io: "input" }) } as Record<string, unknown>;

  test("the published file is what the code checks by", async () => {
    await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(`../../schemas/${name}.schema.json`);
  });

  test("a file may name it, and nothing else that is unknown", () => {
    expect(made.properties as object).toHaveProperty("$schema");
    expect(made.additionalProperties).toBe(false);
  });
});

test("every config of ours names its schema, by a path that is there", () => {
  for (const file of readdirSync("configs")) {
    const { $schema } = JSON.parse(readFileSync(`configs/${file}`, "utf8"));
    expect($schema).toBe("../schemas/config.schema.json");
  }
  expect(readdirSync("schemas")).toContain("config.schema.json");
});

test("$schema is for the editor: neither blueprint nor recipe keeps it", () => {
  const tiny = builtInBlueprint("tiny");
  expect(parseBlueprint({ $schema: "x", ...tiny })).toEqual(tiny);
  expect(parseRecipe({ $schema: "x", epochs: 3 })).toEqual(parseRecipe({ epochs: 3 }));
});
