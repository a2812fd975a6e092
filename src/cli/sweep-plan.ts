/** What a sweep consists of: settings times seeds, each a run that is known by the hash of all that decides its result. */
import { resolve } from "node:path";
import { z } from "zod";
import { sourceDigest } from "../dataset/source-digest.ts";
import { UserError } from "../errors.ts";
import { lambdaGrid } from "../exits/lambda-grid.ts";
import { readJsonFile } from "../files/reader.ts";
import { sha256 } from "../files/sha256.ts";
import { blueprintNames } from "../network/blueprints.ts";
import { permutation, seededRandom } from "../random.ts";
import { RANKINGS, type Ranking } from "../report/sweep-data.ts";
import { type Job, jobOf } from "../story/jobs.ts";
import { namedRecipes } from "../training/choice.ts";
import { VERSION } from "../version.ts";
import { configSchema, recipeData, resolveBlueprint } from "./run-config.ts";

/** Part of the generator's key: these numbers are nobody else's. */
const PURPOSE = 0x53eeb;

const configFields = configSchema.omit({ $schema: true, sha256: true });
type ConfigFields = z.output<typeof configFields>;

const sweepSchema = z.strictObject({
  $schema: z.string().optional(),
  /** What holds for all runs: what a config of `run` takes. */
  config: configFields.optional(),
  /** Fields of the config with all the values that they are to take. */
  axes: z.record(z.string(), z.array(z.unknown()).min(1)),
  /** So many settings, drawn without putting back, in place of the whole grid; each with all seeds. */
  sample: z.strictObject({ settings: z.int().min(1), seed: z.int().min(0).optional() }).optional(),
  /** At which every run is judged; absent: its own recommended one. */
  lambdas: z
    .union([
      z.array(z.number().gt(0)).min(1),
      z.strictObject({ from: z.number().gt(0), to: z.number().gt(0), points: z.int().min(1).max(100) }),
    ])
    .optional(),
  by: z.enum(RANKINGS).optional(),
});

/** One combination of values. */
export interface Setting {
  /** For people: what differs between settings, "recipe=quick epochs=2". */
  readonly name: string;
  readonly config: ConfigFields;
}

export interface Sweep {
  readonly settings: readonly Setting[];
  readonly seeds: readonly number[];
  /** null: the recommended one of each run. */
  readonly lambdas: readonly number[] | null;
  readonly by: Ranking;
}

/** What a run's job says; plain data. */
export const runInput = z.object({
  version: z.string(),
  /** What the result is stored under: `config` without the place of the data, but with the digest of what is there. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  dataSha256: z.string(),
  config: configFields,
  lambdas: z.array(z.number().gt(0)).nullable(),
  /** A folder, as every worker sees it. */
  out: z.string(),
});
export type RunInput = z.output<typeof runInput>;

/** @throws {UserError} if the file is not as expected; values are checked now, not after a night of runs */
export async function readSweep(path: string): Promise<Sweep> {
  const parsed = sweepSchema.safeParse(await readJsonFile(path));
  if (!parsed.success) throw wrong(path, parsed.error, "config, axes, sample, lambdas, by");
  const { config = {}, axes, sample, lambdas, by = "return" } = parsed.data;
  const { seed: seeds = [config.seed ?? 1], ...others } = axes;
  const names = Object.keys(others);
  let combinations = product(Object.values(others));
  if (sample) combinations = drawn(combinations, sample, path);
  const settings: Setting[] = [];
  for (const values of combinations) {
    const chosen = Object.fromEntries(names.map((name, i) => [name, values[i]]));
    const name = names.map((one, i) => `${one}=${shown(values[i])}`).join(" ") || "the only one";
    settings.push({ name, config: await checkedConfig({ ...config, ...chosen }, `${path}: ${name}`) });
  }
  const range = lambdas === undefined || Array.isArray(lambdas) ? lambdas : lambdaGrid(lambdas, lambdas.points);
  for (const seed of seeds) await checkedConfig({ seed }, `${path}: seed`);
  return { settings, seeds: seeds as number[], lambdas: range ?? null, by };
}

function wrong(path: string, error: z.ZodError, fields: string): UserError {
  const issue = error.issues[0]!;
  const at = issue.path.join(".") || "the top";
  return new UserError(`${path}: ${fields} expected, found at ${at}: ${issue.message}; see docs/scaling.md`);
}

/** Files of blueprints and recipes are read now: what they say is part of the run's key. */
async function checkedConfig(given: Record<string, unknown>, where: string): Promise<ConfigFields> {
  const parsed = configFields.safeParse(given);
  if (!parsed.success) throw wrong(where, parsed.error, "fields of a run's config");
  const { blueprint, recipe } = parsed.data;
  if (typeof blueprint === "string" && !blueprintNames.includes(blueprint) && !blueprint.endsWith(".json"))
    throw new UserError(
      `${where}: blueprint ${blueprintNames.join(", ")} or a JSON file expected, found ${blueprint}; correct it`,
    );
  if (typeof recipe === "string" && !namedRecipes.includes(recipe) && !recipe.endsWith(".json"))
    throw new UserError(
      `${where}: recipe ${namedRecipes.join(", ")} or a JSON file expected, found ${recipe}; correct it`,
    );
  const isNamed = typeof blueprint === "string" && blueprintNames.includes(blueprint);
  const readRecipe = recipe === undefined ? null : await recipeData(recipe, where);
  return {
    ...parsed.data,
    ...(blueprint === undefined || isNamed
      ? {}
      : { blueprint: { ...(await resolveBlueprint(blueprint, undefined, where)) } }),
    ...(readRecipe ? { recipe: { ...readRecipe } } : {}),
  };
}

function product(lists: readonly (readonly unknown[])[]): unknown[][] {
  return lists.reduce<unknown[][]>((rows, list) => rows.flatMap((row) => list.map((one) => [...row, one])), [[]]);
}

function drawn(
  all: unknown[][],
  { settings, seed = 1 }: { settings: number; seed?: number | undefined },
  path: string,
): unknown[][] {
  if (settings > all.length)
    throw new UserError(
      `${path}: sample.settings of at most ${all.length} expected, as many as the axes make, found ${settings}; lower it`,
    );
  const order = permutation(seededRandom(PURPOSE, seed), all.length);
  return [...order.subarray(0, settings)].sort((a, b) => a - b).map((i) => all[i]!);
}

function shown(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return "name" in value
    ? String(value.name)
    : `custom-${sha256(new TextEncoder().encode(JSON.stringify(value))).slice(0, 6)}`;
}

/** A run of the sweep. */
export interface PlannedRun {
  readonly setting: Setting;
  readonly seed: number;
  readonly job: Job;
  readonly input: RunInput;
}

/** @param out as every worker sees it. @throws {UserError} if the data of a setting is not there */
export async function plannedRuns({ settings, seeds, lambdas }: Sweep, out: string): Promise<PlannedRun[]> {
  const digests = new Map<string, Promise<string>>();
  const runs: PlannedRun[] = [];
  for (const setting of settings) {
    const { data, dataset, labels, ...deciding } = setting.config;
    const source = data === undefined ? (dataset ?? "shapes") : resolve(data);
    const place = JSON.stringify([source, labels]);
    if (!digests.has(place)) digests.set(place, sourceDigest(source, labels ?? undefined));
    const dataSha256 = await digests.get(place)!;
    for (const seed of seeds) {
      const config = { ...deciding, ...(labels ? { labels } : {}), seed };
      const key = hashOf({ version: VERSION, config, dataSha256, lambdas });
      const named = data === undefined ? { dataset: source as "shapes" } : { data: source };
      const input: RunInput = {
        version: VERSION,
        key,
        dataSha256,
        config: { ...named, ...config },
        lambdas: lambdas && [...lambdas],
        out,
      };
      runs.push({ setting, seed, job: jobOf("run", `${setting.name} seed=${seed}`, input), input });
    }
  }
  return runs;
}

/** Of plain data, whatever the order of its fields. */
function hashOf(value: unknown): string {
  const sorted = (one: unknown): unknown =>
    Array.isArray(one)
      ? one.map(sorted)
      : typeof one === "object" && one !== null
        ? Object.fromEntries(
            Object.entries(one)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([name, inner]) => [name, sorted(inner)]),
          )
        : one;
  return sha256(new TextEncoder().encode(JSON.stringify(sorted(value))));
}
