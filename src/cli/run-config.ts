import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { readJsonFile } from "../files/reader.ts";
import { type Blueprint, parseBlueprint } from "../network/blueprint.ts";
import { blueprintNames, builtInBlueprint } from "../network/blueprints.ts";
import { namedRecipes } from "../training/choice.ts";
import { parseRecipe, type Recipe } from "../training/recipe.ts";
import { sourceOf } from "./options.ts";

const nameOrData = z.union([z.string(), z.record(z.string(), z.unknown())]);

export const configSchema = z.strictObject({
  /** Where the JSON Schema of this file is, for editors. */
  $schema: z.string().optional(),
  /** What `--data` takes. */
  data: z.string().optional(),
  /** What `--dataset` takes. */
  dataset: z.enum(["shapes", "cifar10"]).optional(),
  /** A name, or a whole blueprint. */
  blueprint: nameOrData.optional(),
  /** A name, or a whole recipe. */
  recipe: nameOrData.optional(),
  epochs: z.number().positive().optional(),
  size: z.int().min(8).max(1024).nullable().optional(),
  labels: z.string().nullable().optional(),
  skipBroken: z.boolean().optional(),
  seed: z.int().min(0).optional(),
  /** What `--from` takes. */
  from: z.string().nullable().optional(),
  /** What `--teacher` takes. */
  teacher: z.string().nullable().optional(),
  /** Share of the training pictures that is kept for validation. */
  validation: z.number().gt(0).lt(1).optional(),
  /** Each class weighs alike in the loss. */
  balance: z.boolean().optional(),
  /** Of each split, written by the run itself: what it goes on with must be the same. */
  sha256: z.record(z.string(), z.string()).optional(),
});

/** What a run is asked for: by options, by a config file, or by the folder of a run that was begun. */
export interface Asked {
  readonly data: string;
  /** Absent: to be chosen for the data. */
  readonly blueprint?: string | Record<string, unknown> | undefined;
  readonly recipe?: string | Record<string, unknown> | undefined;
  readonly epochs?: number | undefined;
  readonly seed: number;
  readonly size: number | null;
  readonly labels: string | null;
  readonly skipBroken: boolean;
  /** A model folder, "none", or absent: to be chosen. */
  readonly from?: string | null | undefined;
  /** A model folder or an ONNX file that is learned from; null or absent: none. */
  readonly teacher?: string | null | undefined;
  /** Absent: to be chosen. */
  readonly validation?: number | undefined;
  readonly balance: boolean;
  /** Where blueprint and recipe stand if they are plain data, for messages. */
  readonly file?: string | undefined;
  /** Of the splits that a run was begun with. */
  readonly sha256?: Readonly<Record<string, string>> | undefined;
}

/** All that decides the result of a run; stored as `config.json` in the run folder. */
export interface RunConfig {
  readonly data: string;
  readonly blueprint: Blueprint;
  readonly recipe: Recipe;
  readonly seed: number;
  /** Pixels that pictures are scaled to, in height and width; null: as the blueprint says. */
  readonly size: number | null;
  /** A table of the pictures' classes; null: folders say them. */
  readonly labels: string | null;
  readonly skipBroken: boolean;
  /** The model folder that the training started from; null: none. */
  readonly from: string | null;
  /** The model folder or ONNX file whose answers were learned from; absent: none. */
  readonly teacher?: string | undefined;
  readonly validation: number;
  /** Of each split: what a run is known by, wherever the data lies. */
  readonly sha256: Readonly<Record<string, string>>;
}

export interface RunFlags {
  readonly config?: string | undefined;
  readonly source?: string | undefined;
  readonly blueprint?: string | undefined;
  readonly recipe?: string | undefined;
  readonly epochs?: number | undefined;
  readonly seed?: number | undefined;
  readonly size?: number | undefined;
  readonly labels?: string | undefined;
  readonly skipBroken?: boolean | undefined;
  readonly from?: string | undefined;
  readonly teacher?: string | undefined;
  readonly validation?: number | undefined;
  readonly balance?: boolean | undefined;
  readonly out?: string | undefined;
  readonly resume?: boolean | undefined;
}

/**
 * Options win over the config file (of a run that is resumed: its own), which wins over the defaults.
 *
 * @throws {UserError} if a file is not as expected
 */
export async function resolveRunConfig(flags: RunFlags): Promise<Asked> {
  const path = flags.resume && flags.out ? join(flags.out, "config.json") : null;
  const begun = path === null ? null : parseConfig(await readJsonFile(path), path);
  const file = begun ?? (flags.config ? parseConfig(await readJsonFile(flags.config), flags.config) : {});
  return {
    data: flags.source ?? (begun ? begun.data : sourceOf(file)) ?? "shapes",
    blueprint: flags.blueprint ?? file.blueprint,
    recipe: flags.recipe ?? file.recipe,
    epochs: flags.epochs ?? file.epochs,
    seed: flags.seed ?? file.seed ?? 1,
    size: flags.size ?? file.size ?? null,
    labels: flags.labels ?? file.labels ?? null,
    skipBroken: flags.skipBroken ?? file.skipBroken ?? false,
    from: flags.from ?? (begun && file.from === null ? "none" : file.from),
    teacher: flags.teacher ?? file.teacher ?? null,
    validation: flags.validation ?? file.validation,
    balance: flags.balance ?? file.balance ?? false,
    file: path ?? flags.config,
    ...(file.sha256 ? { sha256: file.sha256 } : {}),
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

/**
 * A built-in name, a JSON file, or plain data.
 *
 * @param shape of the pictures, for a built-in one
 * @param file that the plain data stands in
 */
export async function resolveBlueprint(
  given: string | Record<string, unknown>,
  shape?: Parameters<typeof builtInBlueprint>[1],
  file = "config",
): Promise<Blueprint> {
  if (typeof given !== "string") return parseBlueprint(given, `${file}: blueprint`);
  return isFile(given, blueprintNames)
    ? parseBlueprint(await readJsonFile(given), given)
    : builtInBlueprint(given, shape);
}

/** Plain data or a JSON file as a recipe; null for a name, which needs the data. */
export async function recipeData(given: string | Record<string, unknown>, file = "config"): Promise<Recipe | null> {
  if (typeof given !== "string") return parseRecipe(given, `${file}: recipe`);
  return isFile(given, namedRecipes) ? parseRecipe(await readJsonFile(given), given) : null;
}

function isFile(given: string, names: readonly string[]): boolean {
  return !names.includes(given) && given.endsWith(".json");
}
