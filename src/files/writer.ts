/**
 * A folder that one process writes at a time, several files in one step.
 *
 *     .earlyexit-staged/   the new files are written here and flushed; a killed writer leaves it, the next one removes it
 *     .earlyexit-next/     the same folder renamed: this is the step. From now on the new files are the folder's, wherever they lie
 *     NAME                 each is then moved to its place, the describing file last; a killed writer's moves are finished by the next
 *
 * Whoever reads takes a file from `.earlyexit-next` where there is one (`readInFolder`): old or new, never a mixture.
 */
import { randomUUID } from "node:crypto";
import { appendFileSync, constants } from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir, stat, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { diskError, onDisk } from "./disk-errors.ts";
import { type Lock, type LockOptions, lockFolder } from "./lock.ts";
import { isRunning } from "./owner.ts";
import { type ReadOptions, readFileIfThere, readJsonFile } from "./reader.ts";

const STAGED = ".earlyexit-staged";
const NEXT = ".earlyexit-next";
/** In `NEXT`: names of files that are no longer the folder's. */
const REMOVED = ".earlyexit-removed.json";
/** All names that this folder writes for itself begin so. */
const OWN_PREFIX = ".earlyexit-";
const TEMPORARY = ".tmp";

/** Whether a file or folder is one that writing leaves for a moment. */
export function ownName(name: string): boolean {
  return name.startsWith(OWN_PREFIX);
}

export type Content = Uint8Array | string;

export interface StagedFiles {
  /** Where they lie until they are committed. */
  readonly path: string;
  /** Makes them the folder's, in one step. @param remove files that are no longer the folder's */
  commit(remove?: readonly string[]): Promise<void>;
  discard(): Promise<void>;
}

/** A folder while this process writes it. */
export interface FolderWriter {
  readonly path: string;
  /** Writes files without making them the folder's yet. @param files the last one describes the others */
  stage(files: ReadonlyMap<string, Content>): Promise<StagedFiles>;
  /** Replaces or adds files, and removes others, in one step: whoever looks sees the folder before or after. */
  replace(files: ReadonlyMap<string, Content>, remove?: readonly string[]): Promise<void>;
  /** Adds to the end of a file, at once. */
  append(name: string, text: string): void;
  /** Keeps the first bytes of a file alone. */
  cut(name: string, bytes: number): Promise<void>;
  close(): Promise<void>;
  /** Closes it and takes back what came about since it was opened: the files named, and the folder if it was made and is empty. */
  discard(files: readonly string[]): Promise<void>;
}

/**
 * Opens a folder for writing, made where there is none; finishes or removes what a killed writer left.
 *
 * @throws {UserError} if another process writes it, or it cannot be made or written
 */
export async function openFolder(path: string, options: LockOptions = {}): Promise<FolderWriter> {
  const made = await onDisk(path, "a folder that can be made", () => mkdir(path, { recursive: true }));
  let lock: Lock;
  try {
    lock = await lockFolder(path, options);
    await finishMoves(path);
    await removeLeftovers(path);
  } catch (error) {
    if (made) await removeEmpty(path, made);
    throw error;
  }
  const stage = async (files: ReadonlyMap<string, Content>): Promise<StagedFiles> => {
    await lock.check();
    return stageFiles(path, files, lock);
  };
  return {
    path,
    stage,
    async replace(files, remove) {
      const staged = await stage(files);
      await staged.commit(remove);
    },
    append: (name, text) => appendText(join(path, name), text),
    cut: (name, bytes) =>
      onDisk(join(path, name), "a file that can be written", () => truncate(join(path, name), bytes)),
    close: () => lock.release(),
    async discard(files) {
      for (const name of files) await rm(join(path, name), { recursive: true, force: true });
      await lock.release();
      if (made) await removeEmpty(path, made);
    },
  };
}

/**
 * Opens a folder, works on it and closes it. Work that fails leaves no folder that was made for it, unless something is in it.
 *
 * @throws {UserError} as `openFolder` does
 */
export async function withFolder<T>(
  path: string,
  work: (folder: FolderWriter) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const folder = await openFolder(path, options);
  try {
    const result = await work(folder);
    await folder.close();
    return result;
  } catch (error) {
    await folder.discard([]);
    throw error;
  }
}

/**
 * Replaces one file that no other one vouches for: whoever looks sees the old one or the new one. Needs no lock.
 *
 * @throws {UserError} for what the disk refuses
 */
export async function replaceFile(path: string, content: Content): Promise<void> {
  // another machine or container on the same disk may have a process of this number
  const own = `${process.pid}-${randomUUID().slice(0, 8)}`;
  const temporary = join(dirname(path), `${OWN_PREFIX}${own}-${basename(path).slice(0, 100)}${TEMPORARY}`);
  try {
    await writeFlushed(temporary, path, content);
    await onDisk(path, "a file that can be written", () => rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error says more
    throw error;
  }
}

/** A file of a folder as it is or, if its writer was killed in the middle, as it is going to be; null where there is none. */
export async function readInFolder(path: string, name: string, options: ReadOptions = {}): Promise<Uint8Array | null> {
  return (await readFileIfThere(join(path, NEXT, name), options)) ?? readFileIfThere(join(path, name), options);
}

async function stageFiles(path: string, files: ReadonlyMap<string, Content>, lock: Lock): Promise<StagedFiles> {
  const staged = join(path, STAGED);
  const discard = (): Promise<void> => rm(staged, { recursive: true, force: true });
  try {
    await onDisk(path, "a folder that can be written", () => mkdir(staged));
    for (const [name, content] of files) await writeFlushed(join(staged, name), join(path, name), content);
  } catch (error) {
    await discard();
    throw error;
  }
  const commit = async (remove: readonly string[] = []): Promise<void> => {
    try {
      if (remove.length > 0) await writeFlushed(join(staged, REMOVED), path, JSON.stringify(remove));
      await onDisk(path, "a folder that can be written", () => flushFolder(staged));
      await lock.check();
      await onDisk(path, "a folder that can be written", async () => {
        await finishMoves(path); // of a commit that failed after its step
        await rename(staged, join(path, NEXT));
      });
    } catch (error) {
      await discard();
      throw error;
    }
    await onDisk(path, "a folder that can be written", async () => {
      await flushFolder(path);
      await finishMoves(path, [...files.keys()]);
    });
  };
  return { path: staged, commit, discard };
}

/** @param order of the names; of a killed writer's files it no longer matters: all are there */
async function finishMoves(path: string, order?: readonly string[]): Promise<void> {
  const next = join(path, NEXT);
  const names = await readdir(next).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (!names) return;
  if (names.includes(REMOVED))
    for (const name of plainNames(await readJsonFile(join(next, REMOVED)), join(next, REMOVED)))
      await rm(join(path, name), { recursive: true, force: true });
  for (const name of order ?? names) if (name !== REMOVED) await rename(join(next, name), join(path, name));
  await rm(join(next, REMOVED), { force: true });
  await flushFolder(path);
  await rmdir(next);
}

/** What a writer left that was killed before its step. */
async function removeLeftovers(path: string): Promise<void> {
  await rm(join(path, STAGED), { recursive: true, force: true });
  for (const name of await readdir(path)) {
    const [, pid] = /^\.earlyexit-(\d+)-.*\.tmp$/.exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(path, name), { force: true });
  }
}

/** Somebody else may have made the folder: nothing outside it is removed. */
function plainNames(found: unknown, where: string): string[] {
  const isPlain = (name: unknown): name is string =>
    typeof name === "string" && basename(name) === name && !/^\.*$/.test(name);
  if (Array.isArray(found) && found.every(isPlain)) return found;
  throw new UserError(`${where}: a list of names without folders expected, found something else; remove the file`);
}

/** @throws {UserError} for what the disk refuses */
export function appendText(path: string, text: string): void {
  try {
    appendFileSync(path, text);
  } catch (cause) {
    throw diskError(cause, path, "a file that can be written") ?? cause;
  }
}

/** @param named its place in the end, for messages */
async function writeFlushed(path: string, named: string, content: Content): Promise<void> {
  await onDisk(named, "a file that can be written", async () => {
    const file = await open(path, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/** So that names last as well; where a folder cannot be opened (Windows) the system sees to that. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The folder, and those above it that were made for it, as far as they are empty. */
async function removeEmpty(path: string, made: string): Promise<void> {
  for (let folder = path; ; folder = dirname(folder)) {
    const isGone = await rmdir(folder).then(
      () => true,
      () => false, // somebody put something there
    );
    if (!isGone || folder === made || (await stat(made).catch(() => null)) === null) return;
  }
}
