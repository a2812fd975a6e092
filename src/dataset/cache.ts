/** The cache of decoded pictures: what is in it, how large it may be, and how it is emptied. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { isLocked } from "../files/lock.ts";
import { readTextIfThere } from "../files/reader.ts";
import { isUsed } from "../files/users.ts";
import { replaceFile } from "../files/writer.ts";
import { readIndex } from "./pixel-store.ts";

const STORES = "pixels";
const LIMIT_FILE = "limit.json";
/** Where the user says nothing. */
const DEFAULT_LIMIT = 50e9;

export interface CachedPictures {
  readonly folder: string;
  /** null: the work on it was interrupted */
  readonly source: string | null;
  readonly pictures: number;
  /** "3x64x64" */
  readonly shape: string;
  readonly bytes: number;
  readonly lastUsed: Date;
  readonly inUse: boolean;
}

/** All that was decoded, the latest used first. */
export async function listCache(cacheFolder: string): Promise<CachedPictures[]> {
  const root = join(cacheFolder, STORES);
  const names = existsSync(root) ? await readdir(root) : [];
  const all = await Promise.all(names.map((name) => describe(join(root, name))));
  return all.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
}

async function describe(folder: string): Promise<CachedPictures> {
  const index = await readIndex(folder);
  let bytes = 0;
  for (const name of await readdir(folder)) {
    const { blocks } = await stat(join(folder, name)).catch(() => ({ blocks: 0 }));
    bytes += 512 * blocks; // what it takes on disk: rows not written yet take nothing
  }
  return {
    folder,
    source: index?.source ?? null,
    pictures: index?.names.length ?? 0,
    shape: index?.shape.join("x") ?? "",
    bytes,
    lastUsed: (await stat(folder)).mtime,
    inUse: (await isLocked(folder)) || (await isUsed(folder)),
  };
}

/** Bytes that all decoded pictures together may take. */
export async function cacheLimit(cacheFolder: string): Promise<number> {
  const text = await readTextIfThere(join(cacheFolder, LIMIT_FILE));
  const bytes = text === null ? DEFAULT_LIMIT : (JSON.parse(text) as { bytes?: unknown }).bytes;
  return typeof bytes === "number" && bytes > 0 ? bytes : DEFAULT_LIMIT;
}

export async function setCacheLimit(cacheFolder: string, bytes: number): Promise<void> {
  await mkdir(cacheFolder, { recursive: true });
  await replaceFile(join(cacheFolder, LIMIT_FILE), `${JSON.stringify({ bytes })}\n`);
}

/** Removes all that no living process uses. @returns what was removed */
export async function emptyCache(cacheFolder: string): Promise<CachedPictures[]> {
  const removable = (await listCache(cacheFolder)).filter(({ inUse }) => !inUse);
  for (const { folder } of removable) await rm(folder, { recursive: true, force: true });
  return removable;
}

/**
 * Removes what was not used for longest until there is room for so many bytes more.
 *
 * @param wanted the folder that they are for: it stays
 * @throws {UserError} if they alone are more than the cache may hold
 */
export async function makeRoom(cacheFolder: string, bytes: number, wanted: string): Promise<void> {
  const limit = await cacheLimit(cacheFolder);
  const gigabytes = (value: number) => `${(value / 1e9).toFixed(1)} GB`;
  if (bytes > limit)
    throw new UserError(
      `cache: pictures of at most ${gigabytes(limit)} when decoded expected, found ${gigabytes(bytes)}; ` +
        "choose a smaller --size, or raise the limit by 'earlyexit data cache --limit GIGABYTES'",
    );
  const others = (await listCache(cacheFolder)).filter(({ folder }) => folder !== wanted);
  let used = others.reduce((sum, one) => sum + one.bytes, 0);
  for (const { folder, bytes: own, inUse } of others.reverse()) {
    if (used + bytes <= limit) return;
    if (inUse) continue;
    await rm(folder, { recursive: true, force: true });
    used -= own;
  }
}
