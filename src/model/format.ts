/** What `model.json` and `policy.json` hold, in format 2 and, to read, in format 1. */
import { z } from "zod";
import { UserError } from "../errors.ts";
import { parseJson } from "../files/json.ts";
import { fieldsOf, unsealed } from "../files/sealed.ts";
import { DECIDERS } from "../policy/decider.ts";
import { MOST_HIDDEN } from "../policy/dqn-options.ts";
import { VERSION } from "../version.ts";
import { SCORES } from "../yardsticks/thresholds.ts";

export const FORMAT = 2;
export const FORMATS = [1, FORMAT];

const numbers = z.array(z.number());
/** What divides numbers: float32 holds what comes out. */
const divisor = z.number().min(1e-12).max(1e12);
const calibrationSchema = z.object({
  lambda: z.number(),
  accuracy: z.number(),
  meanMacs: z.number(),
  savings: z.number(),
  exitShares: numbers,
});
export const policySchema = z.strictObject({
  /** SHA-256 of the network that it was learned for; absent where there was only a table, and in format 1. */
  network: z.string().optional(),
  costs: z.object({ exitMacs: z.array(z.number().positive()), fullMacs: z.number().positive() }),
  costUnit: z.string().optional(),
  seed: z.int().optional(),
  hidden: z.array(z.int().positive()).max(MOST_HIDDEN),
  dueling: z.boolean(),
  temperatures: z.array(divisor),
  /** Policies of earlier versions have none: their exits do not look at the answers before. */
  priorWeights: z.array(z.number().min(0)).optional(),
  /** Policies of earlier versions have none of these three: the agent decides. */
  decider: z.enum(DECIDERS).optional(),
  thresholds: z
    .strictObject({
      score: z.enum(SCORES),
      lambdas: z.array(z.number().positive()).min(1),
      thresholds: z.array(numbers),
    })
    .optional(),
  choice: z
    .strictObject({
      reason: z.string(),
      warnings: z.array(z.string()),
      images: z.int(),
      difference: z.object({ mean: z.number(), interval: z.tuple([z.number(), z.number()]) }),
    })
    .optional(),
  lambdaRange: z.object({ from: z.number().positive(), to: z.number().positive() }),
  lambda: z.number().positive(),
  calibration: z.array(calibrationSchema),
});
export type PolicyDescription = z.output<typeof policySchema>;

const provenanceSchema = z.looseObject({
  dataset: z.object({ name: z.string(), sha256: z.record(z.string(), z.string()) }),
  seed: z.int(),
  version: z.string(),
  recipe: z.record(z.string(), z.unknown()),
});
const classesSchema = z.array(z.string()).min(2);
const digestsSchema = z.record(
  z.string(),
  z.strictObject({ bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
);
export type Digests = z.output<typeof digestsSchema>;

export const modelSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** `kind` tells which maker reads the rest. */
  network: z.looseObject({ sha256: z.string(), kind: z.string() }),
  classes: classesSchema,
  policy: policySchema.nullable(),
  /** `quantisedFrom`: see `Provenance`; earlier versions wrote none, and pass over it. */
  provenance: provenanceSchema.extend({ quantisedFrom: z.string().optional() }),
  figures: z.unknown().optional(),
  /** Of every other file of the model, by name. */
  files: digestsSchema,
});
export type ModelDescription = Omit<z.output<typeof modelSchema>, "files"> & { readonly files: Digests | null };

const modelSchema1 = z.object({
  format: z.literal(1),
  blueprint: z.unknown(),
  classes: classesSchema,
  normalisation: z.unknown(),
  policy: policySchema.nullable(),
  ...provenanceSchema.shape,
  figures: z.unknown().optional(),
});

const tableShape = {
  policy: policySchema,
  dataset: z.object({ name: z.string(), sha256: z.string() }),
  seed: z.int(),
  version: z.string(),
  figures: z.unknown().optional(),
};
export const tablePolicySchema = z.strictObject({ format: z.literal(FORMAT), ...tableShape, files: digestsSchema });
const tablePolicySchema1 = z.object({ format: z.literal(1), ...tableShape });
export type TablePolicyDescription = Omit<z.output<typeof tablePolicySchema>, "files"> & {
  readonly files: Digests | null;
};

/** @param where the file's name, for messages. @throws {UserError} if it is none, damaged, or of a version that is not known */
export function parseModel(bytes: Uint8Array, where: string): ModelDescription {
  const json = opened(bytes, where);
  if (json.format === FORMAT) return checked(modelSchema, json, where);
  const { blueprint, normalisation, dataset, seed, version, recipe, ...rest } = checked(modelSchema1, json, where);
  // what format 1 knew no name for: the one kind of network that there was, without a digest
  const network = { sha256: "", kind: "blueprint", blueprint, normalisation };
  return { ...rest, format: FORMAT, network, provenance: { dataset, seed, version, recipe }, files: null };
}

/** @throws {UserError} as `parseModel` does */
export function parseTablePolicy(bytes: Uint8Array, where: string): TablePolicyDescription {
  const json = opened(bytes, where);
  if (json.format === FORMAT) return checked(tablePolicySchema, json, where);
  return { ...checked(tablePolicySchema1, json, where), format: FORMAT, files: null };
}

/** The fields, once format, version and seal were looked at; format 1 has no seal. */
function opened(bytes: Uint8Array, where: string): Record<string, unknown> {
  const json = fieldsOf(parseJson(bytes, where), where);
  checkVersion(json, where);
  return json.format === 1 ? json : unsealed(json, where);
}

function checkVersion(json: Record<string, unknown>, where: string): void {
  const { format, provenance, version = (provenance as { version?: unknown } | undefined)?.version } = json;
  if (!FORMATS.includes(format as number))
    throw new UserError(
      `${where}: format ${FORMATS.join(" or ")} expected, found ${JSON.stringify(format) ?? "none"}; ` +
        "a newer earlyexit may have written it: update this one",
    );
  if (typeof version !== "string" || majorOf(version) <= majorOf(VERSION)) return;
  throw new UserError(
    `${where}: a model of earlyexit ${VERSION} or older expected, found one of ${version}; update this one`,
  );
}

function majorOf(version: string): number {
  return Number(/^\d+/.exec(version)?.[0] ?? 0);
}

export function checked<Schema extends z.ZodType>(schema: Schema, data: unknown, where: string): z.output<Schema> {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(
    `${where}: a model of earlyexit ${VERSION} expected, found at ${issue.path.join(".") || "the top"}: ${issue.message}; train it again`,
  );
}
