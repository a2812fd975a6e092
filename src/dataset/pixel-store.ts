/**
 * The pixels of a set of pictures, decoded once: a folder in the cache with a file of rows (`pixels`), what is known of each row
 * while the work goes on (`state`), and, once it is done, what the rows show (`index.json`). A run that was interrupted goes on.
 */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { parseJson } from "../files/json.ts";
import { writeParts } from "../files/large.ts";
import { LIMIT_ARRAYS } from "../files/reader.ts";
import { type FolderWriter, readInFolder, withFolder } from "../files/writer.ts";
import type { ImageShape } from "./dataset.ts";
import { type DecodeOptions, decodePictures } from "./decode.ts";
import type { SplitName } from "./picture-folders.ts";

export const PIXELS_FILE = "pixels";
const STATE_FILE = "state";
const INDEX_FILE = "index.json";
const FORMAT = 1;
/** What is known is written down so often. */
const SAVE_MS = 2000;
const DONE = 1;

/** What a store holds. Letters: N pictures. */
export interface StoreIndex {
  readonly format: typeof FORMAT;
  /** As the user gave it, the last time. */
  readonly source: string;
  readonly shape: ImageShape;
  readonly classes: readonly string[];
  /** [N] paths within the source */
  readonly names: readonly string[];
  /** [N] */
  readonly labels: readonly number[];
  /** [N] null: a seed decides */
  readonly splits: readonly (SplitName | null)[];
  readonly broken: readonly { readonly row: number; readonly reason: string }[];
  readonly passedOver: number;
}

export type StorePlan = Omit<StoreIndex, "format" | "broken">;

export interface BuildHooks extends Pick<DecodeOptions, "from" | "signal"> {
  readonly onProgress: (done: number, total: number) => void;
  /** Told if another process decodes the same pictures at this moment. */
  readonly onWait: (process: number | null) => void;
}

/** null: there is none, or it is not done. */
export async function readIndex(folder: string): Promise<StoreIndex | null> {
  const bytes = await readInFolder(folder, INDEX_FILE, { limitBytes: LIMIT_ARRAYS });
  if (!bytes) return null;
  const index = parseJson(bytes, join(folder, INDEX_FILE)) as StoreIndex;
  return index.format === FORMAT ? index : null;
}

/**
 * Decodes what is not decoded yet.
 *
 * @throws {UserError} if the disk has no room, or the folder cannot be written
 */
export async function buildStore(path: string, plan: StorePlan, hooks: BuildHooks): Promise<StoreIndex> {
  const work = async (folder: FolderWriter): Promise<StoreIndex> => {
    const known = await readIndex(path); // of the process that was waited for
    return known ?? (await decodeMissing(folder, plan, hooks));
  };
  const { onWait, signal } = hooks;
  return withFolder(path, work, { waitMs: Number.POSITIVE_INFINITY, onWait, signal });
}

async function decodeMissing(folder: FolderWriter, plan: StorePlan, hooks: BuildHooks): Promise<StoreIndex> {
  const count = plan.names.length;
  const bytes = count * plan.shape[0] * plan.shape[1] * plan.shape[2];
  const path = join(folder.path, PIXELS_FILE);
  const state = await knownState(folder.path, count);
  const missing = [...state.keys()].filter((row) => state[row] !== DONE);
  if (missing.length === count) await checkRoom(folder.path, bytes);
  const broken: { row: number; reason: string }[] = [];
  let isWhole = true;
  const pixels = writeParts(path, { isContinued: true, bytes });
  let lastSaved = performance.now();
  let saving = Promise.resolve();
  const save = async (): Promise<void> => {
    const snapshot = state.slice();
    pixels.flush(); // first the pixels, then the claim that they are there
    await folder.replace(new Map([[STATE_FILE, snapshot]]));
  };
  try {
    let done = count - missing.length;
    await decodePictures({
      path,
      shape: plan.shape,
      rows: missing,
      from: hooks.from,
      signal: hooks.signal,
      onDone({ row, reason, isRead }) {
        if (reason === null) state[row] = DONE;
        else broken.push({ row, reason });
        isWhole &&= isRead;
        hooks.onProgress(++done, count);
        if (performance.now() - lastSaved < SAVE_MS) return;
        lastSaved = performance.now();
        saving = saving.then(save);
      },
    });
  } finally {
    await saving.then(save);
    pixels.close();
  }
  const index: StoreIndex = { format: FORMAT, ...plan, broken: broken.sort((a, b) => a.row - b.row) };
  // what could not be read may be there the next time: it is tried again
  if (isWhole) await folder.replace(new Map([[INDEX_FILE, JSON.stringify(index)]]));
  return index;
}

/** [N] of an earlier run that was interrupted. */
async function knownState(folder: string, count: number): Promise<Uint8Array> {
  const found = await readInFolder(folder, STATE_FILE);
  return found?.length === count ? found : new Uint8Array(count);
}

async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bytes < bavail * bsize) return;
  throw new UserError(
    `cache: room for ${(bytes / 1e9).toFixed(1)} GB of pixels expected in ${folder}, found ${((bavail * bsize) / 1e9).toFixed(1)} GB; ` +
      "empty it by 'earlyexit data cache --empty', choose a smaller --size, or set XDG_CACHE_HOME to another disk",
  );
}
