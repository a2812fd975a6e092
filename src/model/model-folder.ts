import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Model, modelFiles, readModel } from "./model.ts";

/** The model's figures with what plots need. */
export const EVALUATION = "evaluation.json";

/** Writes a file under a temporary name, flushes it and renames it: whoever looks sees the old one or the new one, never half of it. */
export async function writeFileSafely(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** The bytes of a file, or null where there is none. */
export async function readFileIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
    throw error;
  }
}

export async function saveModel(folder: string, model: Model): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files = modelFiles(model);
  for (const optional of ["policy.safetensors", "validation.safetensors"])
    if (!files.has(optional)) await rm(join(folder, optional), { force: true });
  if (model.figures === undefined) await rm(join(folder, EVALUATION), { force: true }); // it was about what is replaced now
  for (const [name, bytes] of files) await writeFileSafely(join(folder, name), bytes);
}

/** @throws {UserError} if the folder does not hold a model */
export function loadModel(folder: string): Promise<Model> {
  return readModel((file) => readFileIfThere(join(folder, file)), folder);
}
