import { z } from "zod";
import { UserError } from "../errors.ts";
import { type Blueprint, parseBlueprint } from "../network/blueprint.ts";
import { blueprintNames, builtInBlueprint } from "../network/blueprints.ts";
import { builtInRecipe, parseRecipe, type Recipe, recipeNames } from "../training/recipe.ts";
import { readJson, sourceOf } from "./options.ts";

const configSchema = z.strictObject({
  /** What `--data` takes. */
  data: z.string().optional(),
  /** What `--dataset` takes. */
  dataset: z.enum(["shapes", "cifar10"]).optional(),
  /** A name, or a whole blueprint. */
  blueprint: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  /** A name, or a whole recipe. */
  recipe: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  epochs: z.number().positive().optional(),
  size: z.int().min(8).max(1024).optional(),
  skipBroken: z.boolean().optional(),
  seed: z.int().min(0).optional(),
});

/** All that decides the result of a run; stored as `config.json` in the run folder. */
export interface RunConfig {
  readonly data: string;
  readonly blueprint: Blueprint;
  readonly recipe: Recipe;
  readonly seed: number;
  /** Pixels that pictures are scaled to, in height and width; null: what `openDataset` takes. */
  readonly size: number | null;
  readonly skipBroken: boolean;
}

export interface RunFlags {
  readonly config?: string | undefined;
  readonly source?: string | undefined;
  readonly blueprint?: string | undefined;
  readonly recipe?: string | undefined;
  readonly epochs?: number | undefined;
  readonly seed?: number | undefined;
  readonly size?: number | undefined;
  readonly skipBroken?: boolean | undefined;
}

/** The drawn set needs a small network and few epochs: a first run takes two minutes. */
const SHAPES_DEFAULTS = { blueprint: "tiny", recipe: "quick" };
const DEFAULTS = { blueprint: "compact", recipe: "standard" };

/**
 * Options win over the config file, which wins over the defaults.
 *
 * @throws {UserError} if a file or a name is not as expected
 */
export async function resolveRunConfig(flags: RunFlags): Promise<RunConfig> {
  const file = flags.config ? parseConfig(await readJson(flags.config), flags.config) : {};
  const data = flags.source ?? sourceOf(file) ?? "shapes";
  const defaults = data === "shapes" ? SHAPES_DEFAULTS : DEFAULTS;
  const epochs = flags.epochs ?? file.epochs;
  const recipe = await resolveRecipe(flags.recipe ?? file.recipe ?? defaults.recipe);
  return {
    data,
    blueprint: await resolveBlueprint(flags.blueprint ?? file.blueprint ?? defaults.blueprint),
    recipe: epochs === undefined ? recipe : { ...recipe, epochs },
    seed: flags.seed ?? file.seed ?? 1,
    size: flags.size ?? file.size ?? null,
    skipBroken: flags.skipBroken ?? file.skipBroken ?? false,
  };
}

function parseConfig(data: unknown, where: string): z.output<typeof configSchema> {
  const parsed = configSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(
    `${where}: a config with ${Object.keys(configSchema.shape).join(", ")} expected, found at ${issue.path.join(".") || "the top"}: ${issue.message}; see configs/`,
  );
}

/** A built-in name, a JSON file, or plain data. */
export async function resolveBlueprint(given: string | Record<string, unknown>): Promise<Blueprint> {
  if (typeof given !== "string") return parseBlueprint(given, "config: blueprint");
  return blueprintNames.includes(given) || !given.endsWith(".json")
    ? builtInBlueprint(given)
    : parseBlueprint(await readJson(given), given);
}

async function resolveRecipe(given: string | Record<string, unknown>): Promise<Recipe> {
  if (typeof given !== "string") return parseRecipe(given, "config: recipe");
  return recipeNames.includes(given) || !given.endsWith(".json")
    ? builtInRecipe(given)
    : parseRecipe(await readJson(given), given);
}
