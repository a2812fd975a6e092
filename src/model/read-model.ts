/** A model or a policy from its files: every digest is checked, and that what lies together belongs together. */
import { z } from "zod";
import { UserError } from "../errors.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { stateWidth } from "../exits/observation.ts";
import { decodeSafetensors, floatArray, type StoredArray } from "../files/safetensors.ts";
import { checkDigest } from "../files/sha256.ts";
import { blueprintSchema } from "../network/blueprint.ts";
import { blueprintNetwork } from "../network/blueprint-network.ts";
import { checkBlueprint } from "../network/cost.ts";
import { normalisationSchema } from "../network/feeding.ts";
import { readImportedNetwork } from "../network/imported-file.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Agent } from "../policy/agent.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { qWeightShapes } from "../policy/q-network.ts";
import { readImportedQuantised, readQuantised, roundingSchema } from "../quantise/read.ts";
import {
  checked,
  type Digests,
  type ModelDescription,
  type PolicyDescription,
  parseModel,
  parseTablePolicy,
} from "./format.ts";
import type { Model, TablePolicy } from "./model.ts";

const TABLE = "validation.safetensors";

/** A file's bytes, or null where there is no such file. @param size in bytes, where the describing file says it: no more need be read */
export type ReadFile = (file: string, size?: number) => Promise<Uint8Array | null>;

export interface ReadModelOptions {
  /** Leaves `validation.safetensors` where it is: classifying needs it for `precise` alone, and it may be a fifth of the model. Default: false. */
  readonly slim?: boolean;
}

/**
 * The model in a folder or behind an address. A folder that was written without `validation.safetensors` is read as it is.
 *
 * @param read a file's bytes, or null where there is no such file
 * @param where the folder, for messages
 * @throws {UserError} if a file is missing, damaged, belongs to another model, or is not as expected
 */
export async function readModel(
  read: ReadFile,
  where: string,
  { slim = false }: ReadModelOptions = {},
): Promise<Model> {
  const main = `${where}/model.json`;
  const bytes = await needed(read, "model.json", where, "a model folder", "train one with 'earlyexit run'");
  const described = parseModel(bytes, main);
  const files = describedFiles(read, described.files, where, "a model folder");
  const network =
    described.network.kind === "imported" || described.network.kind === "importedInt8"
      ? await readImported(describedBytes(read, described.files, where, "a model folder"), described, where)
      : await readNetwork(files, described, where);
  const { policy, figures } = described;
  if (!policy) return { network, policy, figures };
  const { sha256 } = described.network;
  if (described.files && policy.network !== sha256)
    throw new UserError(
      `${main}: a policy for the network ${sha256.slice(0, 12)}... expected, found one for ${policy.network?.slice(0, 12) ?? "none"}...; learn one for it`,
    );
  const shape = { exits: network.stages.length, classes: network.classes.length };
  const isTold = described.files === null || Object.hasOwn(described.files, TABLE);
  const withTable = !slim && (isTold || (await read(TABLE)) !== null); // one that nobody vouches for is refused
  return { network, policy: await readPolicy(files, policy, { ...shape, withTable }, main), figures };
}

/**
 * The policy in a policy folder.
 *
 * @throws {UserError} as `readModel` does
 */
export async function readTablePolicy(read: ReadFile, where: string): Promise<TablePolicy> {
  const main = `${where}/policy.json`;
  const bytes = await needed(read, "policy.json", where, "a policy folder", "make one with 'earlyexit learn --table'");
  const { policy, dataset, seed, version, figures, files } = parseTablePolicy(bytes, main);
  const arrays = describedFiles(read, files, where, "a policy folder");
  return { policy: await readPolicy(arrays, policy, null, main), dataset, seed, version, figures };
}

async function needed(
  read: ReadFile,
  file: string,
  where: string,
  kind: string,
  advice: string,
  size?: number,
): Promise<Uint8Array> {
  const bytes = await read(file, size);
  if (bytes) return bytes;
  throw new UserError(`${where}: ${kind} with ${file} expected, found none; ${advice}`);
}

/** The arrays in a file, and where it is. */
type ReadArrays = (file: string) => Promise<{ arrays: Map<string, StoredArray>; at: string }>;
/** A file's bytes, checked. */
type ReadBytes = (file: string) => Promise<Uint8Array>;

/** @param digests null where the describing file is of format 1, which has none */
function describedFiles(read: ReadFile, digests: Digests | null, where: string, kind: string): ReadArrays {
  const bytes = describedBytes(read, digests, where, kind);
  return async (file) => {
    const at = `${where}/${file}`;
    return { arrays: decodeSafetensors(await bytes(file), at), at };
  };
}

function describedBytes(read: ReadFile, digests: Digests | null, where: string, kind: string): ReadBytes {
  return async (file) => {
    const at = `${where}/${file}`;
    if (digests && !Object.hasOwn(digests, file))
      throw new UserError(`${at}: a digest in the describing file expected, found none; get the folder again`);
    const digest = digests?.[file];
    const bytes = await needed(read, file, where, kind, "get the folder again, it is not whole", digest?.bytes);
    if (digest) checkDigest(bytes, digest, at);
    return bytes;
  };
}

// ---- The network -------------------------------------------------------------------------------------------------------

const ofBlueprint = z.object({
  blueprint: blueprintSchema,
  normalisation: normalisationSchema,
});

const networkParts = z.discriminatedUnion("kind", [
  ofBlueprint.extend({ kind: z.literal("blueprint") }),
  ofBlueprint.extend({ kind: z.literal("int8"), rounding: roundingSchema }),
]);

/** Somebody else's, in floats or in 8 bits. */
async function readImported(
  read: ReadBytes,
  { network, classes, provenance }: ModelDescription,
  where: string,
): Promise<StagedNetwork> {
  const { sha256: _, kind, rounding, ...described } = network;
  const base = await readImportedNetwork({ kind: "imported", ...described }, { classes, provenance }, read, where);
  return kind === "importedInt8" ? readImportedQuantised(base, rounding, where) : base;
}

/** One of ours, in floats or in 8 bits. */
async function readNetwork(files: ReadArrays, described: ModelDescription, where: string): Promise<StagedNetwork> {
  const { network, classes, provenance } = described;
  const told = checked(networkParts, network, `${where}/model.json`);
  const { blueprint, normalisation } = told;
  const check = lengthCheck(`${where}/model.json`);
  check("normalisation.mean", normalisation.mean, blueprint.input[0]);
  check("normalisation.std", normalisation.std, blueprint.input[0]);
  checkBlueprint(blueprint, classes.length);
  const { arrays, at } = await files("network.safetensors");
  const parts = { blueprint, classes, normalisation, provenance };
  if (told.kind === "int8") return readQuantised(parts, told.rounding, arrays, at);
  return blueprintNetwork({ ...parts, weights: floats(arrays, at) });
}

function floats(arrays: ReadonlyMap<string, StoredArray>, where: string) {
  return new Map([...arrays].map(([name, { shape }]) => [name, floatArray(arrays, name, shape.length, where)]));
}

/** @returns throws a `UserError` if a list is not one number per channel or per exit */
function lengthCheck(where: string) {
  return (name: string, list: readonly number[] | undefined, expected: number): void => {
    if (list && list.length !== expected)
      throw new UserError(`${where}: ${expected} numbers in ${name} expected, found ${list.length}; train it again`);
  };
}

// ---- The policy --------------------------------------------------------------------------------------------------------

/** @param of the network's, and whether to read the exit table; null if costs and exit table are to tell */
async function readPolicy(
  files: ReadArrays,
  described: PolicyDescription,
  of: { readonly exits: number; readonly classes: number; readonly withTable: boolean } | null,
  where: string,
): Promise<LearnedPolicy> {
  const { network, costs, costUnit, seed, lambda, calibration, decider, thresholds, choice, ...given } = described;
  const exits = of?.exits ?? costs.exitMacs.length;
  checkPolicyNumbers(described, exits, where);
  checkThresholds(described, exits, where);
  const shape = { ...given, priorWeights: given.priorWeights ?? given.temperatures.map(() => 0) };
  const weights = await files("policy.safetensors");
  const validation = of?.withTable === false ? null : readTable(await files(TABLE), exits, of?.classes);
  const classes = validation?.classes ?? of!.classes;
  const agent = { ...shape, exits, classes, weights: floats(weights.arrays, weights.at) };
  checkPolicyWeights(agent, weights.at);
  return {
    ...(network === undefined ? {} : { network }),
    agent,
    ...(thresholds === undefined ? {} : { thresholds }),
    ...(decider === undefined ? {} : { decider }),
    ...(choice === undefined ? {} : { choice }),
    costs,
    ...(costUnit === undefined ? {} : { costUnit }),
    ...(seed === undefined ? {} : { seed }),
    lambda,
    calibration,
    validation,
  };
}

/** @throws {UserError} if a list is not one number per exit, costs do not rise, or lambdas lie outside the range */
function checkPolicyNumbers(policy: PolicyDescription, exits: number, where: string): void {
  const { costs, temperatures, priorWeights, calibration, lambda, lambdaRange } = policy;
  const check = lengthCheck(where);
  check("policy.temperatures", temperatures, exits);
  check("policy.priorWeights", priorWeights, exits);
  check("policy.costs.exitMacs", costs.exitMacs, exits);
  for (const [i, { exitShares }] of calibration.entries())
    check(`policy.calibration.${i}.exitShares`, exitShares, exits);
  const fall = costs.exitMacs.findIndex((cost, k) => k > 0 && !(cost > costs.exitMacs[k - 1]!));
  if (fall > 0)
    throw new UserError(
      `${where}: rising numbers in policy.costs.exitMacs expected, found ${costs.exitMacs[fall - 1]} and then ${costs.exitMacs[fall]}; learn it again`,
    );
  const { from, to } = lambdaRange;
  if (!(from <= to && lambda >= from * (1 - 1e-9) && lambda <= to * (1 + 1e-9)))
    throw new UserError(
      `${where}: policy.lambda within policy.lambdaRange expected, found ${lambda} and ${from} to ${to}; learn it again`,
    );
}

/** @throws {UserError} unless there is one row per lambda, one threshold per exit but the last, and the score that decides */
function checkThresholds({ decider = "dqn", thresholds: dial }: PolicyDescription, exits: number, where: string): void {
  if (decider !== "dqn" && decider !== `threshold:${dial?.score}`)
    throw new UserError(
      `${where}: policy.thresholds for ${decider} expected (it decides), found ${dial ? dial.score : "none"}; learn it again`,
    );
  if (!dial) return;
  lengthCheck(where)("policy.thresholds.thresholds", dial.thresholds.flat(), dial.lambdas.length * (exits - 1));
  for (const [l, row] of dial.thresholds.entries())
    lengthCheck(where)(`policy.thresholds.thresholds.${l}`, row, exits - 1);
}

function checkPolicyWeights({ exits, classes, hidden, dueling, weights }: Agent, where: string): void {
  const shapes = qWeightShapes({ inputs: stateWidth(exits, classes) + 1, hidden, dueling });
  const advice = "the file belongs to another model";
  for (const [name, expected] of shapes) {
    const found = weights.get(name);
    if (found?.shape.join() !== expected.join())
      throw new UserError(
        `${where}: ${name} of shape [${expected}] expected, found ${found ? `[${found.shape}]` : "none"}; ${advice}`,
      );
  }
  const other = [...weights.keys()].find((name) => !shapes.has(name));
  if (other !== undefined)
    throw new UserError(`${where}: ${[...shapes.keys()].join(", ")} and no more expected, found ${other}; ${advice}`);
}

/**
 * An exit table: `logits` [N, E, K] float32 and `labels` [N] int32.
 *
 * @throws {UserError} if it is not one, or of another number of exits or classes
 */
function readTable(
  { arrays, at: where }: { readonly arrays: ReadonlyMap<string, StoredArray>; readonly at: string },
  ofExits: number,
  ofClasses: number | undefined,
): ExitTable {
  const { shape, data } = floatArray(arrays, "logits", 3, where);
  const labels = arrays.get("labels");
  const [count, exits, classes] = shape as [number, number, number];
  if (labels?.data.length !== count)
    throw new UserError(
      `${where}: ${count} labels expected, found ${labels?.data.length ?? "none"}; one per row of logits`,
    );
  if (exits !== ofExits || classes !== (ofClasses ?? classes))
    throw new UserError(
      `${where}: logits of ${ofExits} exits and ${ofClasses ?? "some"} classes expected, ` +
        `found ${exits} and ${classes}; the file belongs to another model`,
    );
  const wrong = labels.data.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
  if (wrong >= 0)
    throw new UserError(
      `${where}: labels of 0 to ${classes - 1} expected, found ${labels.data[wrong]} at image ${wrong}; the file is damaged, get it again`,
    );
  return { logits: data, labels: Uint16Array.from(labels.data), count, exits, classes };
}
