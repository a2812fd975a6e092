/** The JSON Schemas that the package publishes are made from the zod schemas: `npx vitest run test/network/schemas.test.ts -u` writes them. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { configSchema } from "../../src/cli/run-config.ts";
import { blueprintSchema, parseBlueprint } from "../../src/network/blueprint.ts";
import { builtInBlueprint } from "../../src/network/blueprints.ts";
import { parseRecipe, recipeSchema } from "../../src/training/recipe.ts";
import { type JsonSchema, typeAlias } from "./types-from-schema.ts";

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

test("the recipe's types are written from its schema, each field under what it means", async () => {
  const schema = z.toJSONSchema(recipeSchema, { io: "input" }) as JsonSchema;
  const head =
    "/** Written from the schema in `recipe.ts`: `npx vitest run test/network/schemas.test.ts -u`. Change that, not this. */\n";
  const input = typeAlias("RecipeInput", schema, "input");
  const output = typeAlias("Recipe", schema, "output");
  await expect(
    `${head}\n/** A recipe as a person writes it. */\n${input}\n/** A whole one. */\n${output}`,
  ).toMatchFileSnapshot("../../src/training/recipe-types.ts");
});

test("each field of a blueprint has a description, which stands above its type as well", () => {
  const schema = z.toJSONSchema(blueprintSchema, { io: "input" }) as JsonSchema;
  const source = readFileSync("src/network/blueprint.ts", "utf8");
  const fields = fieldsOf(schema).filter(({ name }) => name !== "type");
  expect(fields.length).toBeGreaterThan(20);
  for (const { name, description } of fields)
    expect(source).toMatch(
      new RegExp(`/\\*\\* ${escaped(description ?? "a description")} \\*/\\n +${escaped(name)}\\??: `),
    );
});

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Every field of every object in a schema. */
function fieldsOf(schema: unknown): { name: string; description?: string }[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties = {} } = schema as JsonSchema;
  const own = Object.entries(properties).map(([name, { description }]) => ({
    name,
    ...(description === undefined ? {} : { description }),
  }));
  return [...own, ...Object.values(schema).flatMap(fieldsOf)];
}

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
