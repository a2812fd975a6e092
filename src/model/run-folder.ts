import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { parseJson } from "../files/json.ts";
import { LIMIT_TEXT } from "../files/reader.ts";
import { appendText, type FolderWriter, openFolder, readInFolder, replaceFile, withFolder } from "../files/writer.ts";
import type { Checkpoint } from "../training/checkpoint.ts";
import { checkpointFiles, readCheckpoint } from "./checkpoint.ts";

const CONFIG = "config.json";
const METRICS = "metrics.jsonl";
const ORIGINS = "origin.json";
const CHECKPOINT = "checkpoint";

/** What every line of `metrics.jsonl` says of itself. */
export interface MetricsLine {
  readonly kind?: unknown;
  readonly step?: unknown;
}

/** Where a run, or a part of it, was computed: `origin.json` holds one for each time that it was begun or went on, the last one last. */
export interface RunOrigin {
  /** As it was typed, but for where files lie on that machine. */
  readonly command: string;
  /** Of the repository that it was typed in, as `git describe --always --dirty` says it; null: in none. */
  readonly commit: string | null;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryBytes: number };
  /** By name: this package, ONNX Runtime, Node, the system. */
  readonly versions: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** A model folder that also holds how the model came about: `config.json`, `origin.json`, `metrics.jsonl`, `checkpoint/`. */
export interface RunFolder {
  readonly path: string;
  /** For what else is written into it. */
  readonly files: FolderWriter;
  /** Adds one line to `metrics.jsonl`. */
  log(metrics: object): void;
  /** Leaves out of `metrics.jsonl` what is done again: nothing is told twice. */
  keepMetrics(wanted: (line: MetricsLine) => boolean): Promise<void>;
  saveCheckpoint(checkpoint: Checkpoint): Promise<void>;
  /** null where there is none. @throws {UserError} if it is damaged */
  loadCheckpoint(): Promise<Checkpoint | null>;
  close(): Promise<void>;
  /** Closes it; one that was begun now and holds neither a line of metrics nor a checkpoint is taken away again. */
  giveUp(): Promise<void>;
}

/**
 * Opens or makes a run folder, which no other process writes until it is closed.
 *
 * @param config what decides the result; stored as `config.json`
 * @param origin where it is computed now; null: nothing is kept of that
 * @param resume go on in a folder that was begun with the same config (but `data`, where the data lies, and more `epochs` in its
 *   `recipe`); otherwise the folder must not hold a run or a model yet
 * @throws {UserError} if there is nothing to resume, it was begun with another config, something would be overwritten, or another
 *   process writes it
 */
export async function openRunFolder(
  path: string,
  config: object,
  resume: boolean,
  origin: RunOrigin | null = null,
): Promise<RunFolder> {
  const text = `${JSON.stringify(config, null, 2)}\n`;
  if (resume && !existsSync(path)) throw nothingBegun(path); // and none is made
  const files = await openFolder(path);
  const checkpoints = checkpointsIn(path);
  let isEmpty = !resume;
  try {
    const begun = await checkRunFolder(path, resume);
    if (begun) {
      checkSameConfig(begun, config, path);
      await cutHalfLine(files);
    }
    await files.replace(
      new Map([
        ...(begun ? [] : [[METRICS, ""] as const]),
        ...(origin ? [await originsWith(path, origin)] : []),
        [CONFIG, text], // of a resumed run, perhaps with more epochs, or with data that lies elsewhere
      ]),
    );
  } catch (error) {
    await files.discard([]);
    throw error;
  }
  return {
    path,
    files,
    log(metrics) {
      isEmpty = false;
      appendMetrics(path, metrics);
    },
    keepMetrics: (wanted) => keepMetrics(path, wanted),
    async saveCheckpoint(checkpoint) {
      isEmpty = false;
      await checkpoints.saveCheckpoint(checkpoint);
    },
    loadCheckpoint: checkpoints.loadCheckpoint,
    close: () => files.close(),
    giveUp: () => (isEmpty ? files.discard([METRICS, ORIGINS, CONFIG]) : files.close()),
  };
}

/** Adds to a run where it goes on now. @throws {UserError} if its `origin.json` is damaged */
export async function addOrigin(folder: FolderWriter, origin: RunOrigin): Promise<void> {
  await folder.replace(new Map([await originsWith(folder.path, origin)]));
}

async function originsWith(path: string, origin: RunOrigin): Promise<[name: string, text: string]> {
  const bytes = await readInFolder(path, ORIGINS, { limitBytes: LIMIT_TEXT });
  const before = bytes ? parseJson(bytes, join(path, ORIGINS)) : [];
  if (!Array.isArray(before))
    throw new UserError(`${join(path, ORIGINS)}: a list expected, found ${typeof before}; remove the file`);
  return [ORIGINS, `${JSON.stringify([...before, origin], null, 2)}\n`];
}

/** The checkpoint of a training whose folder holds nothing else yet. */
export function checkpointsIn(path: string): Pick<RunFolder, "saveCheckpoint" | "loadCheckpoint"> {
  const folder = join(path, CHECKPOINT);
  return {
    saveCheckpoint: (checkpoint) => withFolder(folder, (files) => files.replace(checkpointFiles(checkpoint))),
    loadCheckpoint: () => readCheckpoint((name) => readInFolder(folder, name), folder),
  };
}

/** `base`, or the first of base-2, base-3, ... that does not exist. */
export function freeFolder(base: string): string {
  for (let n = 1; ; n++) {
    const path = n === 1 ? base : `${base}-${n}`;
    if (!existsSync(path)) return path;
  }
}

/** Adds one line to a folder's `metrics.jsonl`. */
export function appendMetrics(path: string, metrics: object): void {
  appendText(join(path, METRICS), `${JSON.stringify(metrics)}\n`);
}

/** Leaves lines out of a folder's `metrics.jsonl`. */
export async function keepMetrics(path: string, wanted: (line: MetricsLine) => boolean): Promise<void> {
  const bytes = await readInFolder(path, METRICS);
  if (!bytes) return;
  const lines = new TextDecoder().decode(bytes).split(/(?<=\n)/);
  const kept = lines.filter((line) => wanted(lineOf(line)));
  if (kept.length < lines.length) await replaceFile(join(path, METRICS), kept.join(""));
}

function lineOf(text: string): MetricsLine {
  try {
    return (JSON.parse(text) ?? {}) as MetricsLine;
  } catch {
    return {}; // a line that was not finished
  }
}

/** Of a line that a full disk or a killed process left unfinished, nothing is kept. */
async function cutHalfLine(folder: FolderWriter): Promise<void> {
  const bytes = await readInFolder(folder.path, METRICS);
  const whole = bytes ? bytes.lastIndexOf(0x0a) + 1 : 0;
  if (bytes && whole < bytes.length) await folder.cut(METRICS, whole);
}

function nothingBegun(path: string): UserError {
  return new UserError(`resume: a run folder expected, found no config.json in ${path}; start it without --resume`);
}

/**
 * What can be told of a run folder before anything is read.
 *
 * @returns the config that it was begun with; null for a new one
 * @throws {UserError} if there is nothing to resume, or something would be overwritten
 */
export async function checkRunFolder(path: string, resume: boolean): Promise<Record<string, unknown> | null> {
  const begun = await readInFolder(path, CONFIG, { limitBytes: LIMIT_TEXT });
  if (!resume && (begun || (await readInFolder(path, "model.json"))))
    throw new UserError(
      `out: a new folder expected, found a run or a model in ${path}; give another --out, or --resume`,
    );
  if (resume && !begun) throw nothingBegun(path);
  return begun && (parseJson(begun, join(path, CONFIG)) as Record<string, unknown>);
}

function checkSameConfig(begun: Record<string, unknown>, now: object, path: string): void {
  const [before, after] = [begun, now].map(decisive) as [string[], string[]];
  const line = after.findIndex((one, i) => one !== before[i]);
  if (line < 0 && before.length === after.length) {
    const [had, wanted] = [begun, now].map((one) => (one as { recipe?: { epochs?: number } }).recipe?.epochs ?? 0);
    if (wanted! >= had!) return;
    throw new UserError(
      `resume: at least ${had} epochs expected, which ${path} was begun with, found ${wanted}; give more`,
    );
  }
  throw new UserError(
    `resume: the options that ${path} was begun with expected (${before[line]?.trim()}), found ${after[line]?.trim()}; ` +
      "leave them out, or start afresh without --resume",
  );
}

/** The lines of a config that must be the same: all but where the data lies and how long the training is. */
function decisive(config: object): string[] {
  const { data: _, recipe, ...others } = config as Record<string, unknown>;
  const { epochs: __, ...rest } = (recipe ?? {}) as Record<string, unknown>;
  return JSON.stringify({ ...others, recipe: rest }, null, 2).split("\n");
}
