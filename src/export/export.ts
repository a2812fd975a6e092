/** Where files come in: everything else in this folder works on bytes. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { isAbsent } from "../files/disk-errors.ts";
import { readFile, readJsonFile } from "../files/reader.ts";
import { type FolderWriter, ownName, withFolder } from "../files/writer.ts";
import type { Model } from "../model/model.ts";
import { checkLambda } from "../policy/agent.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { type PreciseAnswers, sureAnswers } from "../policy/unsure.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type BuildOptions, buildExport, EXPORTED_NAME } from "./build.ts";
import { type CheckOptions, type CheckReport, checkExport } from "./check.ts";
import { checkPolicyFile, type PolicyCheck } from "./check-policy.ts";
import type { Manifest } from "./manifest.ts";
import { buildPolicyFiles, type PolicyFileOptions, type PolicyManifest } from "./policy-file.ts";
import { type OpenFile, openFile } from "./run-files.ts";

export interface ExportOptions extends Omit<BuildOptions, "precise"> {
  /**
   * Above 0, below 1: the files also say where an answer is too unsure for a class to be named, so that of those that name one this
   * share is right; solved on the validation images at the lambda that the files recommend. Default: a class is always named.
   */
  readonly precise?: number;
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
 * The files are written into a folder inside `out`, loaded again and compared with the classifier; only then do they become those of `out`,
 * in one step: it is whole and right, or is what it was before.
 *
 * @throws {UserError} if the model has no policy, an option does not fit, or `out` holds anything but an earlier export
 * @throws {Error} if what the files say differs from what the classifier says
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const { model, runtime = createNodeRuntime(), pictures, onProgress, precise: wanted, ...build } = options;
  const out = resolve(options.out);
  await checkFolder(out);
  const precise = wanted === undefined ? {} : { precise: await preciseOf(runtime, model, build.lambda, wanted) };
  const { manifest, files } = await buildExport(model, { ...build, ...precise });
  const check = await withFolder(out, (folder) =>
    replaceChecked(folder, files, (written) => checkFiles(runtime, model, written, { pictures, onProgress })),
  );
  return { manifest, files: [...files.keys()], check };
}

async function preciseOf(
  runtime: Runtime,
  { policy }: Model,
  given: number | undefined,
  wanted: number,
): Promise<PreciseAnswers> {
  if (!policy)
    throw new UserError("export: a model with a policy expected, found a network alone; run 'earlyexit learn' first");
  const lambda = given ?? policy.lambda;
  checkLambda(policy.agent, lambda);
  return { wanted, lambda, ...(await sureAnswers(runtime, policy, lambda, wanted)) };
}

export interface ExportPolicyOptions extends PolicyFileOptions {
  readonly policy: LearnedPolicy;
  /** A folder: a new one, an empty one, or that of an earlier export, which is replaced. */
  readonly out: string;
  /** What runs the file to check it; default: `createNodeRuntime()`. */
  readonly runtime?: Runtime;
}

/**
 * Writes what decides alone, `policy.onnx` with a README that uses it: for a network that runs elsewhere. It is compared with what it came
 * from on the validation images before it is kept.
 *
 * @throws {UserError} if lambda is outside what it was learned for, or `out` holds anything but an earlier export
 * @throws {Error} if the file decides otherwise
 */
export async function exportPolicy(options: ExportPolicyOptions): Promise<ExportPolicyResult> {
  const { policy, runtime = createNodeRuntime(), ...build } = options;
  const out = resolve(options.out);
  checkLambda(policy.agent, build.lambda ?? policy.lambda);
  await checkFolder(out);
  const { manifest, files } = await buildPolicyFiles(policy, build);
  const check = await withFolder(out, (folder) =>
    replaceChecked(folder, files, async (written) =>
      checkPolicyFile(runtime, policy, await readFile(join(written, "policy.onnx")), manifest.lambda.recommended),
    ),
  );
  return { manifest, files: [...files.keys()], check };
}

export interface ExportPolicyResult {
  readonly manifest: PolicyManifest;
  /** Names in the folder. */
  readonly files: readonly string[];
  readonly check: PolicyCheck;
}

/** Only files that were checked where they are written become those of the folder; those of an earlier export go with the same step. */
async function replaceChecked<T>(
  folder: FolderWriter,
  files: ReadonlyMap<string, Uint8Array>,
  check: (written: string) => Promise<T>,
): Promise<T> {
  const staged = await folder.stage(files);
  try {
    const result = await check(staged.path);
    const before = await readdir(folder.path);
    await staged.commit(before.filter((name) => EXPORTED_NAME.test(name) && !files.has(name)));
    return result;
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** What lies in the folder, read back, against the classifier. */
async function checkFiles(runtime: Runtime, model: Model, folder: string, options: CheckOptions): Promise<CheckReport> {
  const manifest = (await readJsonFile(join(folder, "manifest.json"))) as Manifest;
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
    names = (await readdir(out)).filter((name) => !ownName(name)); // of a killed writer
  } catch (cause) {
    if (isAbsent(cause) && (cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new UserError(`export: a folder expected at ${out}, found something else; choose another --out`, { cause });
  }
  const isExport = names.length === 0 || names.includes("manifest.json");
  const foreign = isExport ? names.find((name) => !EXPORTED_NAME.test(name)) : names[0];
  if (foreign !== undefined)
    throw new UserError(
      `export: a new folder or that of an earlier export expected at ${out}, found ${foreign} in it; choose another --out`,
    );
}
