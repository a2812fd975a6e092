import { z } from "zod";
import { UserError } from "../errors.ts";
import { type Blueprint, blueprintSchema } from "../network/blueprint.ts";
import { networkCost } from "../network/cost.ts";
import type { Agent } from "../policy/agent.ts";
import type { ExitCosts, ExitTable } from "../policy/exit-table.ts";
import { policyMacs } from "../policy/q-network.ts";
import { decodeSafetensors, encodeSafetensors, floatArray, type StoredArray } from "../runtime/safetensors.ts";
import type { TrainedNetwork } from "../training/train.ts";
import { VERSION } from "../version.ts";

/** How the exits fare on the selection half of validation at one lambda. */
export interface CalibrationPoint {
  readonly lambda: number;
  readonly accuracy: number;
  readonly meanMacs: number;
  readonly savings: number;
  readonly exitShares: readonly number[];
}

/** Where a model comes from. */
export interface Provenance {
  readonly dataset: { readonly name: string; readonly sha256: Readonly<Record<string, string>> };
  readonly seed: number;
  readonly version: string;
  /** How it was trained. */
  readonly recipe: unknown;
}

/** All that inference and evaluation need: what a model folder holds. */
export interface Model {
  readonly network: TrainedNetwork;
  readonly costs: ExitCosts;
  /** null until `learn` has run: then only fixed exits can be taken */
  readonly agent: Agent | null;
  /** The recommended lambda. */
  readonly lambda: number;
  readonly calibration: readonly CalibrationPoint[];
  /** Exit table of the validation split: any lambda, budget or yardstick is solved from it. */
  readonly validation: ExitTable | null;
  readonly provenance: Provenance;
  /** What `evaluate --json` printed, if it was evaluated. */
  readonly figures: unknown;
}

/** Costs of the exits with the agent's decisions on the way: one at every exit but the last. */
export function exitCosts(blueprint: Blueprint, classes: number, agent: Pick<Agent, "hidden" | "dueling">): ExitCosts {
  const { exitMacs, fullMacs } = networkCost(blueprint, classes);
  const exits = exitMacs.length;
  const perDecision = policyMacs(exits, classes, agent.hidden, agent.dueling);
  return { exitMacs: exitMacs.map((macs, k) => macs + Math.min(k + 1, exits - 1) * perDecision), fullMacs };
}

const numbers = z.array(z.number());
const modelSchema = z.object({
  format: z.literal(1),
  blueprint: blueprintSchema,
  classes: z.array(z.string()).min(2),
  normalisation: z.object({ mean: numbers, std: z.array(z.number().positive()) }),
  costs: z.object({ exitMacs: z.array(z.number().positive()), fullMacs: z.number().positive() }),
  policy: z
    .object({
      hidden: z.array(z.int().positive()),
      dueling: z.boolean(),
      temperatures: z.array(z.number().positive()),
      lambdaRange: z.object({ from: z.number().positive(), to: z.number().positive() }),
    })
    .nullable(),
  lambda: z.number().min(0),
  calibration: z.array(
    z.object({
      lambda: z.number(),
      accuracy: z.number(),
      meanMacs: z.number(),
      savings: z.number(),
      exitShares: numbers,
    }),
  ),
  dataset: z.object({ name: z.string(), sha256: z.record(z.string(), z.string()) }),
  seed: z.int(),
  version: z.string(),
  recipe: z.unknown(),
  figures: z.unknown(),
});

/** A model as files, by name. The same model gives the same bytes. */
export function modelFiles(model: Model): Map<string, Uint8Array> {
  const { network, agent, provenance } = model;
  const json: z.input<typeof modelSchema> = {
    format: 1,
    blueprint: network.blueprint,
    classes: [...network.classes],
    normalisation: { mean: [...network.normalisation.mean], std: [...network.normalisation.std] },
    costs: { exitMacs: [...model.costs.exitMacs], fullMacs: model.costs.fullMacs },
    policy: agent && {
      hidden: [...agent.hidden],
      dueling: agent.dueling,
      temperatures: [...agent.temperatures],
      lambdaRange: agent.lambdaRange,
    },
    lambda: model.lambda,
    calibration: model.calibration.map((point) => ({ ...point, exitShares: [...point.exitShares] })),
    dataset: { name: provenance.dataset.name, sha256: { ...provenance.dataset.sha256 } },
    seed: provenance.seed,
    version: provenance.version,
    recipe: provenance.recipe,
    figures: model.figures,
  };
  const files = new Map([
    ["model.json", new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`)],
    ["network.safetensors", encodeSafetensors(network.weights)],
  ]);
  if (agent) files.set("policy.safetensors", encodeSafetensors(agent.weights));
  if (model.validation) files.set("validation.safetensors", encodeSafetensors(tableArrays(model.validation)));
  return files;
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
export async function readModel(read: (file: string) => Promise<Uint8Array | null>, where: string): Promise<Model> {
  const need = async (file: string): Promise<Uint8Array> => {
    const bytes = await read(file);
    if (!bytes)
      throw new UserError(`${where}: a model folder with ${file} expected, found none; train one with 'earlyexit run'`);
    return bytes;
  };
  const json = parseModelJson(new TextDecoder().decode(await need("model.json")), `${where}/model.json`);
  const { blueprint, classes, normalisation, costs, policy } = json;
  const file = "network.safetensors";
  const weights = floats(decodeSafetensors(await need(file), `${where}/${file}`), `${where}/${file}`);
  let agent: Agent | null = null;
  if (policy) {
    const policyFile = "policy.safetensors";
    const arrays = decodeSafetensors(await need(policyFile), `${where}/${policyFile}`);
    agent = { ...policy, exits: blueprint.stages.length, classes: classes.length, weights: floats(arrays, policyFile) };
  }
  const table = await read("validation.safetensors");
  return {
    network: { blueprint, classes, normalisation, weights },
    costs,
    agent,
    lambda: json.lambda,
    calibration: json.calibration,
    validation:
      table &&
      readTable(decodeSafetensors(table, `${where}/validation.safetensors`), `${where}/validation.safetensors`),
    provenance: { dataset: json.dataset, seed: json.seed, version: json.version, recipe: json.recipe },
    figures: json.figures,
  };
}

function parseModelJson(text: string, where: string): z.output<typeof modelSchema> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${where}: JSON expected, found ${JSON.stringify(text.slice(0, 20))}; the file is damaged`, {
      cause,
    });
  }
  const parsed = modelSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(
    `${where}: a model of earlyexit ${VERSION} expected, found at ${issue.path.join(".") || "the top"}: ${issue.message}; train it again`,
  );
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
