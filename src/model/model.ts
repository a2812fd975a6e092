import { z } from "zod";
import { UserError } from "../errors.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { stateWidth } from "../exits/observation.ts";
import { decodeSafetensors, encodeSafetensors, floatArray, type StoredArray } from "../files/safetensors.ts";
import { blueprintSchema } from "../network/blueprint.ts";
import { blueprintNetwork } from "../network/blueprint-network.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Agent } from "../policy/agent.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { initialQWeights } from "../policy/q-network.ts";
import { readQuantised, roundingSchema } from "../quantise/read.ts";
import { VERSION } from "../version.ts";

/** All that inference and evaluation need: what a model folder holds. */
export interface Model {
  readonly network: StagedNetwork;
  /** null until one was learned: then only fixed exits can be taken */
  readonly policy: LearnedPolicy | null;
  /** What `evaluate --json` printed, if it was evaluated. */
  readonly figures?: unknown;
}

/** A policy for somebody else's network, of which no more is known than an exit table: what a policy folder holds. */
export interface TablePolicy {
  readonly policy: LearnedPolicy;
  /** The table that it was learned from. */
  readonly dataset: { readonly name: string; readonly sha256: string };
  /** Of the learning and of the split into fit and selection half. */
  readonly seed: number;
  readonly version: string;
  /** What `learn --table --json` printed, if there was a test table. */
  readonly figures?: unknown;
}

const numbers = z.array(z.number());
const calibrationSchema = z.object({
  lambda: z.number(),
  accuracy: z.number(),
  meanMacs: z.number(),
  savings: z.number(),
  exitShares: numbers,
});
const policySchema = z.object({
  costs: z.object({ exitMacs: z.array(z.number().positive()), fullMacs: z.number().positive() }),
  costUnit: z.string().optional(),
  hidden: z.array(z.int().positive()),
  dueling: z.boolean(),
  temperatures: z.array(z.number().positive()),
  /** Policies of earlier versions have none: their exits do not look at the answers before. */
  priorWeights: z.array(z.number().min(0)).optional(),
  lambdaRange: z.object({ from: z.number().positive(), to: z.number().positive() }),
  lambda: z.number().positive(),
  calibration: z.array(calibrationSchema),
});
const modelSchema = z.object({
  format: z.literal(1),
  blueprint: blueprintSchema,
  classes: z.array(z.string()).min(2),
  normalisation: z.object({ mean: numbers, std: z.array(z.number().positive()) }),
  /** Of a network in 8 bits. */
  rounding: roundingSchema.optional(),
  policy: policySchema.nullable(),
  dataset: z.object({ name: z.string(), sha256: z.record(z.string(), z.string()) }),
  seed: z.int(),
  version: z.string(),
  recipe: z.record(z.string(), z.unknown()),
  figures: z.unknown().optional(),
});
const tablePolicySchema = z.object({
  format: z.literal(1),
  policy: policySchema,
  dataset: z.object({ name: z.string(), sha256: z.string() }),
  seed: z.int(),
  version: z.string(),
  figures: z.unknown().optional(),
});

/** A model as files, by name. The same model gives the same bytes. */
export function modelFiles({ network, policy, figures }: Model): Map<string, Uint8Array> {
  const { kind: _, blueprint, normalisation, rounding } = network.description;
  const json = {
    format: 1,
    blueprint,
    classes: network.classes,
    normalisation,
    rounding,
    policy: policy && describePolicy(policy),
    ...network.provenance,
    figures,
  };
  const files = new Map(network.files());
  if (policy) addPolicyArrays(files, policy);
  files.set("model.json", jsonBytes(json)); // last: it vouches for the others
  return files;
}

/** A policy without a network as files, by name. */
export function tablePolicyFiles({ policy, ...described }: TablePolicy): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  addPolicyArrays(files, policy);
  files.set("policy.json", jsonBytes({ format: 1, policy: describePolicy(policy), ...described }));
  return files;
}

function addPolicyArrays(files: Map<string, Uint8Array>, { agent, validation }: LearnedPolicy): void {
  files.set("policy.safetensors", encodeSafetensors(agent.weights));
  files.set("validation.safetensors", encodeSafetensors(tableArrays(validation)));
}

function jsonBytes(json: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`);
}

/** Everything about a policy but its arrays. */
function describePolicy({ agent, costs, costUnit, lambda, calibration }: LearnedPolicy) {
  const { hidden, dueling, temperatures, priorWeights, lambdaRange } = agent;
  return { costs, costUnit, hidden, dueling, temperatures, priorWeights, lambdaRange, lambda, calibration };
}

function tableArrays({ logits, labels, count, exits, classes }: ExitTable): Map<string, StoredArray> {
  return new Map<string, StoredArray>([
    ["logits", { shape: [count, exits, classes], data: logits }],
    ["labels", { shape: [count], data: Int32Array.from(labels) }],
  ]);
}

/**
 * The model in a folder or behind an address.
 *
 * @param read a file's bytes, or null where there is no such file
 * @param where the folder, for messages
 * @throws {UserError} if a file is missing or not as expected
 */
export async function readModel(read: ReadFile, where: string): Promise<Model> {
  const files = filesIn(read, where, "model.json", "train one with 'earlyexit run'");
  const json = checkLengths(await files.json("model.json", modelSchema), `${where}/model.json`);
  const { blueprint, classes, normalisation, rounding, dataset, seed, version, recipe } = json;
  const [arrays, at] = [await files.arrays("network.safetensors"), `${where}/network.safetensors`];
  const parts = { blueprint, classes, normalisation, provenance: { dataset, seed, version, recipe } };
  const network = rounding
    ? readQuantised(parts, rounding, arrays, at)
    : blueprintNetwork({ ...parts, weights: floats(arrays, at) });
  const policy = json.policy && (await readPolicy(files, json.policy, classes.length, where));
  return { network, policy, figures: json.figures };
}

/**
 * The policy in a policy folder.
 *
 * @throws {UserError} if a file is missing or not as expected
 */
export async function readTablePolicy(read: ReadFile, where: string): Promise<TablePolicy> {
  const files = filesIn(read, where, "policy.json", "make one with 'earlyexit learn --table'");
  const { policy, dataset, seed, version, figures } = await files.json("policy.json", tablePolicySchema);
  return { policy: await readPolicy(files, policy, null, where), dataset, seed, version, figures };
}

/** A file's bytes, or null where there is no such file. */
type ReadFile = (file: string) => Promise<Uint8Array | null>;
type Files = ReturnType<typeof filesIn>;

function filesIn(read: ReadFile, where: string, main: string, advice: string) {
  const need = async (file: string): Promise<Uint8Array> => {
    const bytes = await read(file);
    const kind = main === "model.json" ? "model" : "policy";
    if (!bytes) throw new UserError(`${where}: a ${kind} folder with ${file} expected, found none; ${advice}`);
    return bytes;
  };
  return {
    json: async <Schema extends z.ZodType>(file: string, schema: Schema) =>
      parseJson(schema, new TextDecoder().decode(await need(file)), `${where}/${file}`),
    arrays: async (file: string) => decodeSafetensors(await need(file), `${where}/${file}`),
  };
}

/** @param classes K, or null if the exit table is to tell */
async function readPolicy(
  files: Files,
  described: z.output<typeof policySchema>,
  classes: number | null,
  where: string,
): Promise<LearnedPolicy> {
  const { costs, costUnit, lambda, calibration, ...given } = described;
  const shape = { ...given, priorWeights: given.priorWeights ?? given.temperatures.map(() => 0) };
  const weights = floats(await files.arrays("policy.safetensors"), `${where}/policy.safetensors`);
  const validation = readTable(await files.arrays("validation.safetensors"), `${where}/validation.safetensors`);
  const agent = { ...shape, exits: costs.exitMacs.length, classes: classes ?? validation.classes, weights };
  checkPolicyWeights(agent, `${where}/policy.safetensors`);
  if (validation.exits !== agent.exits || validation.classes !== agent.classes)
    throw new UserError(
      `${where}/validation.safetensors: logits of ${agent.exits} exits and ${agent.classes} classes expected, ` +
        `found ${validation.exits} and ${validation.classes}; the file belongs to another model`,
    );
  return { agent, costs, ...(costUnit === undefined ? {} : { costUnit }), lambda, calibration, validation };
}

function parseJson<Schema extends z.ZodType>(schema: Schema, text: string, where: string): z.output<Schema> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${where}: JSON expected, found ${JSON.stringify(text.slice(0, 20))}; the file is damaged`, {
      cause,
    });
  }
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(
    `${where}: a model of earlyexit ${VERSION} expected, found at ${issue.path.join(".") || "the top"}: ${issue.message}; train it again`,
  );
}

/** @throws {UserError} if a list is not one number per channel or per exit */
function checkLengths(model: z.output<typeof modelSchema>, where: string): z.output<typeof modelSchema> {
  const { blueprint, normalisation, policy } = model;
  const [channels, exits] = [blueprint.input[0], blueprint.stages.length];
  const check = (name: string, list: readonly number[] | undefined, expected: number): void => {
    if (list && list.length !== expected)
      throw new UserError(`${where}: ${expected} numbers in ${name} expected, found ${list.length}; train it again`);
  };
  check("normalisation.mean", normalisation.mean, channels);
  check("normalisation.std", normalisation.std, channels);
  check("policy.temperatures", policy?.temperatures, exits);
  check("policy.priorWeights", policy?.priorWeights, exits);
  check("policy.costs.exitMacs", policy?.costs.exitMacs, exits);
  return model;
}

function checkPolicyWeights({ exits, classes, hidden, dueling, weights }: Agent, where: string): void {
  const shape = { inputs: stateWidth(exits, classes) + 1, hidden, dueling };
  for (const [name, { shape: expected }] of initialQWeights(shape, 0)) {
    const found = weights.get(name);
    if (found?.shape.join() !== expected.join())
      throw new UserError(
        `${where}: ${name} of shape [${expected}] expected, found ${found ? `[${found.shape}]` : "none"}; ` +
          "the file belongs to another model",
      );
  }
}

function floats(arrays: ReadonlyMap<string, StoredArray>, where: string) {
  return new Map([...arrays].map(([name, { shape }]) => [name, floatArray(arrays, name, shape.length, where)]));
}

/** An exit table: `logits` [N, E, K] float32 and `labels` [N] int32. @throws {UserError} if it is not one */
export function readTable(arrays: ReadonlyMap<string, StoredArray>, where: string): ExitTable {
  const { shape, data } = floatArray(arrays, "logits", 3, where);
  const labels = arrays.get("labels");
  const [count, exits, classes] = shape as [number, number, number];
  if (labels?.data.length !== count)
    throw new UserError(
      `${where}: ${count} labels expected, found ${labels?.data.length ?? "none"}; one per row of logits`,
    );
  return { logits: data, labels: Uint16Array.from(labels.data), count, exits, classes };
}
