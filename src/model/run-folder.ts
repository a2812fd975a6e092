import { appendFileSync, existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { decodeSafetensors, encodeSafetensors, floatArray, type StoredArray } from "../files/safetensors.ts";
import type { Checkpoint } from "../training/train.ts";
import { readFileIfThere, writeFileSafely } from "./model-folder.ts";

const STEP = "training.step";

/** A model folder that also holds how the model came about: `config.json`, `metrics.jsonl`, `checkpoint/`. */
export interface RunFolder {
  readonly path: string;
  /** Adds one line to `metrics.jsonl`. */
  log(metrics: object): void;
  saveCheckpoint(checkpoint: Checkpoint): Promise<void>;
  /** null where there is none */
  loadCheckpoint(): Promise<Checkpoint | null>;
}

/**
 * Opens or makes a run folder.
 *
 * @param config what decides the result; stored as `config.json`
 * @param resume go on in a folder that was begun with the same config; otherwise the folder must not hold a run or a model yet
 * @throws {UserError} if there is nothing to resume, it was begun with another config, or something would be overwritten
 */
export async function openRunFolder(path: string, config: object, resume: boolean): Promise<RunFolder> {
  const text = `${JSON.stringify(config, null, 2)}\n`;
  const configPath = join(path, "config.json");
  const checkpointPath = join(path, "checkpoint", "state.safetensors");
  const begun = await readFileIfThere(configPath);
  if (resume) checkSameConfig(begun && new TextDecoder().decode(begun), text, path);
  else if (begun || existsSync(join(path, "model.json")))
    throw new UserError(
      `out: a new folder expected, found a run or a model in ${path}; give another --out, or --resume`,
    );
  await makeFolder(join(path, "checkpoint"));
  if (!resume) {
    await writeFileSafely(configPath, text);
    await writeFileSafely(join(path, "metrics.jsonl"), "");
  }
  return {
    path,
    log: (metrics) => appendMetrics(path, metrics),
    saveCheckpoint: ({ step, variables }) => {
      const arrays = new Map<string, StoredArray>(variables);
      arrays.set(STEP, { shape: [], data: Int32Array.of(step) });
      return writeFileSafely(checkpointPath, encodeSafetensors(arrays));
    },
    loadCheckpoint: async () => {
      const bytes = await readFileIfThere(checkpointPath);
      return bytes && readCheckpoint(bytes, checkpointPath);
    },
  };
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new UserError(
      `out: a folder that can be made expected, found ${(cause as Error).message}; give another --out`,
      {
        cause,
      },
    );
  }
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
  appendFileSync(join(path, "metrics.jsonl"), `${JSON.stringify(metrics)}\n`);
}

function checkSameConfig(begun: string | null, now: string, path: string): void {
  if (begun === null)
    throw new UserError(`resume: a run folder expected, found no config.json in ${path}; start it without --resume`);
  if (begun === now) return;
  const [before, after] = [begun.split("\n"), now.split("\n")];
  const line = after.findIndex((one, i) => one !== before[i]);
  throw new UserError(
    `resume: the options that ${path} was begun with expected (${before[line]?.trim()}), found ${after[line]?.trim()}; ` +
      "use the same options, or start afresh without --resume",
  );
}

function readCheckpoint(bytes: Uint8Array, where: string): Checkpoint {
  const arrays = decodeSafetensors(bytes, where);
  const step = arrays.get(STEP)?.data[0];
  arrays.delete(STEP);
  if (step === undefined)
    throw new UserError(`${where}: a checkpoint expected, found no step in it; start without --resume`);
  return {
    step,
    variables: new Map([...arrays].map(([name, { shape }]) => [name, floatArray(arrays, name, shape.length, where)])),
  };
}
