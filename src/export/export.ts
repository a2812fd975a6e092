/** Where files come in: everything else in this folder works on bytes. */
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import type { Model } from "../model/model.ts";
import { writeFileSafely } from "../model/model-folder.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type BuildOptions, buildExport, EXPORTED_NAME } from "./build.ts";
import { type CheckOptions, type CheckReport, checkExport } from "./check.ts";
import type { Manifest } from "./manifest.ts";
import { type OpenFile, openFile } from "./run-files.ts";

export interface ExportOptions extends BuildOptions {
  readonly model: Model;
  /** A folder: a new one, an empty one, or that of an earlier export, which is replaced. */
  readonly out: string;
  /** [N, C, H, W] bytes to compare files and classifier on; default: 64 pictures, half of them drawn, half of them noise. */
  readonly pictures?: Uint8Array;
  /** Is told how many of all comparisons (pictures x lambdas) are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** What runs the files to check them; default: `createNodeRuntime()`. */
  readonly runtime?: Runtime;
}

export interface ExportResult {
  readonly manifest: Manifest;
  /** Names in the folder. */
  readonly files: readonly string[];
  readonly check: CheckReport;
}

/**
 * Writes a model as ONNX files for any language, with `manifest.json`, `README.md` and `MODEL_CARD.md`.
 *
 * The files are written beside `out`, loaded again and compared with the classifier; only then do they take their name,
 * so that a folder called `out` is whole and right, or is what it was before.
 *
 * @throws {UserError} if the model has no policy, an option does not fit, or `out` holds anything but an earlier export
 * @throws {Error} if what the files say differs from what the classifier says
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const { model, runtime = createNodeRuntime(), pictures, onProgress, ...build } = options;
  const out = resolve(options.out);
  await checkFolder(out);
  const { manifest, files } = await buildExport(model, build);
  const temporary = `${out}.${process.pid}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    for (const [name, bytes] of files) await writeFileSafely(join(temporary, name), bytes);
    const check = await checkFiles(runtime, model, temporary, { pictures, onProgress });
    await replaceFolder(out, temporary);
    return { manifest, files: [...files.keys()], check };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The old folder, if there is one, is put aside first and put back if the new one cannot take its name. */
async function replaceFolder(out: string, by: string): Promise<void> {
  const aside = `${by}.old`;
  const hadOne = await rename(out, aside).then(
    () => true,
    () => false, // there is none, or the next line says why not
  );
  try {
    await rename(by, out);
  } catch (error) {
    if (hadOne) await rename(aside, out);
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}

/** What lies in the folder, read back, against the classifier. */
async function checkFiles(runtime: Runtime, model: Model, folder: string, options: CheckOptions): Promise<CheckReport> {
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as Manifest;
  const open: OpenFile[] = [];
  try {
    for (const description of manifest.files)
      open.push(await openFile(runtime, description, await readFile(join(folder, description.file))));
    return await checkExport(runtime, model, manifest, open, options);
  } finally {
    for (const { session } of open) await session.release();
  }
}

/** @throws {UserError} unless there is nothing, or nothing but an earlier export */
async function checkFolder(out: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(out);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return;
    throw new UserError(`export: a folder expected at ${out}, found something else; choose another --out`, { cause });
  }
  const isExport = names.length === 0 || names.includes("manifest.json");
  const foreign = isExport ? names.find((name) => !EXPORTED_NAME.test(name)) : names[0];
  if (foreign !== undefined)
    throw new UserError(
      `export: a new folder or that of an earlier export expected at ${out}, found ${foreign} in it; choose another --out`,
    );
}
