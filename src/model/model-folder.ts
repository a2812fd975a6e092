import { readdir } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { onDisk } from "../files/disk-errors.ts";
import { LIMIT_TEXT, type ReadOptions } from "../files/reader.ts";
import { sha256 } from "../files/sha256.ts";
import { type Content, type FolderWriter, readInFolder, withFolder } from "../files/writer.ts";
import { modelFolder } from "./bundled.ts";
import { type Model, modelFiles, type TablePolicy, tablePolicyFiles } from "./model.ts";
import { type ReadFile, type ReadModelOptions, readModel, readTablePolicy } from "./read-model.ts";

/** The model's figures with what plots need. */
export const EVALUATION = "evaluation.json";

/** How long saving waits for another process that writes the folder. */
const WAIT_MS = 10_000;

/** Files beside a model that tell about it, as its report does: name to content. */
export type Beside = ReadonlyMap<string, Content>;

/**
 * Replaces the model in a folder in one step: whoever looks, also after a crash, sees the old one or the new one.
 *
 * @param beside is replaced in the same step
 * @throws {UserError} if another process writes the folder, or the disk refuses
 */
export async function saveModel(folder: string, model: Model, beside: Beside = new Map()): Promise<void> {
  await withFolder(folder, (files) => writeModel(files, model, beside), { waitMs: WAIT_MS });
}

/** The same in a folder that is open for writing. */
export async function writeModel(folder: FolderWriter, model: Model, beside: Beside = new Map()): Promise<void> {
  const files = modelFiles(model);
  const optional = ["policy.safetensors", "validation.safetensors"].filter((name) => !files.has(name));
  await folder.replace(new Map([...beside, ...files]), [...optional, ...outdated(model)]);
}

/** Figures that lie in the folder are about what is replaced now. */
function outdated({ figures }: { readonly figures?: unknown }): string[] {
  return figures === undefined ? [EVALUATION] : [];
}

/**
 * @param given a folder, its `file://` address, or the name of a model that comes with the package
 * @throws {UserError} if the folder does not hold a model, or a file in it is damaged
 */
export function loadModel(given: string | URL, options: ReadModelOptions = {}): Promise<Model> {
  const folder = modelFolder(given);
  return unlessReplaced(folder, "model.json", (read) => readModel(read, folder, options));
}

/**
 * One file of a model folder, byte for byte, also while its writer is in the middle of replacing it; null where there is none.
 *
 * @throws {UserError} if it is no regular file, or cannot be read
 */
export function readModelFile(folder: string, name: string): Promise<Uint8Array | null> {
  return readInFolder(folder, name);
}

/**
 * A copy of a model folder in which some files have other contents: the same network with another policy, for example.
 *
 * @param instead by name
 * @throws {UserError} if a file cannot be read, another process writes the copy, or the disk refuses
 */
export async function copyModel(from: string, to: string, instead: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const files = new Map<string, Uint8Array>();
  const names = await onDisk(from, "a model folder", () => readdir(from));
  for (const name of [...names.filter((one) => /\.(safetensors|onnx)$/.test(one)), ...instead.keys(), "model.json"]) {
    const bytes = instead.get(name) ?? (await readInFolder(from, name));
    files.delete(name); // the one that describes the others comes last
    if (bytes) files.set(name, bytes);
  }
  await withFolder(to, (folder) => folder.replace(files), { waitMs: WAIT_MS });
}

/**
 * SHA-256 of `model.json`, in hex: it vouches for the folder's other files, so that it tells one version of a model from the next.
 *
 * @throws {UserError} if the folder does not hold a model
 */
export async function modelDigest(folder: string): Promise<string> {
  const bytes = await readInFolder(folder, "model.json", { limitBytes: LIMIT_TEXT });
  if (bytes) return sha256(bytes);
  throw new UserError(`${folder}: a model folder with model.json expected, found none; train one with 'earlyexit run'`);
}

/** Replaces the policy in a policy folder in one step. @throws {UserError} as `saveModel` does */
export async function writePolicy(
  folder: FolderWriter,
  policy: TablePolicy,
  beside: Beside = new Map(),
): Promise<void> {
  await folder.replace(new Map([...beside, ...tablePolicyFiles(policy)]), outdated(policy));
}

/** The policy in a policy folder. @throws {UserError} if it holds none, or a file in it is damaged */
export function loadPolicy(folder: string): Promise<TablePolicy> {
  return unlessReplaced(folder, "policy.json", (read) => readTablePolicy(read, folder));
}

/** Reads again what fitted together no longer because somebody replaced the files meanwhile. */
async function unlessReplaced<T>(folder: string, main: string, load: (read: ReadFile) => Promise<T>): Promise<T> {
  const read = filesOf(folder);
  for (;;) {
    const before = await read(main);
    try {
      return await load(read);
    } catch (error) {
      const after = await read(main);
      if (!before || !after || sha256(before) === sha256(after)) throw error;
    }
  }
}

/** Whether a folder holds such a file. @throws {UserError} if there is something else of that name */
export async function holds(folder: string, name: string): Promise<boolean> {
  return (await readInFolder(folder, name)) !== null;
}

function filesOf(folder: string): ReadFile {
  const text: ReadOptions = { limitBytes: LIMIT_TEXT, raisedBy: "no model has as much text" };
  return (name) => readInFolder(folder, name, name.endsWith(".json") ? text : {});
}
