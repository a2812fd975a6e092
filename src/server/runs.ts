/** The runs in a folder, by name: what the page lists and lays over each other. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isAbsent } from "../files/disk-errors.ts";
import { LIMIT_TEXT } from "../files/reader.ts";
import { type Files, namedFiles } from "./files.ts";

export interface ListedRun {
  /** Of its folder. */
  readonly name: string;
  /** When its `metrics.jsonl` last grew, in milliseconds since 1970. */
  readonly changedMs: number;
  /** It has an `evaluation.json`. */
  readonly isEvaluated: boolean;
  /** It has an `origin.json`: where it was computed. */
  readonly hasOrigin: boolean;
}

/** A page that listed more would help nobody: the newest ones. */
const MOST_RUNS = 100;
const RUN_FILES = ["config.json", "origin.json", "evaluation.json", "metrics.jsonl"];

/** Folders that hold a `metrics.jsonl`, the newest first; none where the folder is not there. */
export async function listRuns(folder: string): Promise<ListedRun[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    if (isAbsent(error)) return [];
    throw error;
  });
  const runs: ListedRun[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue; // nor a link, which might lead anywhere
    const at = (name: string) => stat(join(folder, entry.name, name)).catch(() => null);
    const metrics = await at("metrics.jsonl");
    if (!metrics?.isFile()) continue;
    const has = async (name: string): Promise<boolean> => (await at(name))?.isFile() ?? false;
    const told = { isEvaluated: await has("evaluation.json"), hasOrigin: await has("origin.json") };
    runs.push({ name: entry.name, changedMs: metrics.mtimeMs, ...told });
  }
  return runs.sort((a, b) => b.changedMs - a.changedMs).slice(0, MOST_RUNS);
}

/** Files "NAME/FILE" of the runs that are listed now. */
export function runFiles(folder: string): Files {
  return async (path) => {
    const [name, file, ...more] = path.split("/");
    if (!name || !file || more.length > 0) return null;
    const run = (await listRuns(folder)).find((one) => one.name === name);
    return run ? namedFiles(join(folder, run.name), RUN_FILES, { limitBytes: LIMIT_TEXT })(file) : null;
  };
}
