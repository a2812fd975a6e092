/** Files as bytes, in Node: regular files alone, and no more bytes than somebody said. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { isAbsent, onDisk } from "./disk-errors.ts";
import { parseJson } from "./json.ts";

/** Of a file with arrays, unless the caller says otherwise. */
export const LIMIT_ARRAYS = 2 ** 32; // as many as Node 20 holds in one piece
/** Of a file with text. */
export const LIMIT_TEXT = 2 ** 26;
/** Of a short text. */
const LIMIT_SHORT = 2 ** 16;
/** Of what the kernel tells in one file. */
const KERNEL_PAGE = 4096;

export interface ReadOptions {
  /** The most bytes that are read; default `LIMIT_ARRAYS`. */
  readonly limitBytes?: number;
  /** What raises the limit, for the message; default "raise limitBytes". */
  readonly raisedBy?: string;
}

/**
 * The bytes of a file. A link is followed; what it leads to must be a regular file as well: a pipe, a device or a folder is never opened.
 *
 * @throws {UserError} if there is none, it is no regular file, too large, changes meanwhile, or cannot be read
 */
export async function readFile(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
  const bytes = await readFileIfThere(path, options);
  if (!bytes) throw new UserError(`${path}: a file that can be read expected, found nothing there; check the path`);
  return bytes;
}

/** The bytes of a file, or null where there is none. @throws {UserError} as `readFile` does */
export async function readFileIfThere(path: string, options: ReadOptions = {}): Promise<Uint8Array | null> {
  try {
    return await onDisk(path, "a file that can be read", async () => {
      const file = await openRegularFile(path);
      try {
        return await readWhole(file, path, options);
      } finally {
        await file.close();
      }
    });
  } catch (error) {
    if (error instanceof UserError && isAbsent(error.cause)) return null;
    throw error;
  }
}

/**
 * A file to be read in parts. The caller closes it.
 *
 * @throws {UserError} if it is a pipe, a device or a folder: those are never opened
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  checkKind(await stat(path), path);
  return open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)); // a pipe put there since would wait
}

/** The text of a file, or null where there is none. @throws {UserError} as `readFile` does */
export async function readTextIfThere(path: string): Promise<string | null> {
  const bytes = await readFileIfThere(path, { limitBytes: LIMIT_TEXT });
  return bytes && new TextDecoder().decode(bytes);
}

/**
 * A short text, such as a list of keys. It may come through a pipe (`--keys <(..)`), which is waited for; whatever it comes from, no more
 * than the limit is read.
 *
 * @throws {UserError} if there is none, it is a folder or a socket, longer, or cannot be read
 */
export function readShortText(path: string, limitBytes = LIMIT_SHORT): Promise<string> {
  return onDisk(path, "a text that can be read", async () => {
    const file = await open(path, constants.O_RDONLY);
    try {
      const bytes = new Uint8Array(limitBytes + 1);
      for (let filled = 0; filled <= limitBytes; ) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, null);
        if (bytesRead === 0) return new TextDecoder().decode(bytes.subarray(0, filled));
        filled += bytesRead;
      }
    } finally {
      await file.close();
    }
    throw new UserError(`${path}: a text of at most ${limitBytes} bytes expected, found more; check the path`);
  });
}

/**
 * What the kernel says in a file of its own, below `/sys` or `/proc`: such files claim a size that they do not have. At once and not by a
 * promise, since counters are read between two times of a stopwatch.
 *
 * @throws what the system says: that there is no such file, or that it may not be read
 */
export function readKernelText(path: string): string {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(KERNEL_PAGE);
    return bytes.toString("utf8", 0, readSync(file, bytes, 0, KERNEL_PAGE, 0));
  } finally {
    closeSync(file);
  }
}

/** The value in a JSON file. @throws {UserError} as `readFile` and `parseJson` do */
export async function readJsonFile(path: string): Promise<unknown> {
  return parseJson(await readFile(path, { limitBytes: LIMIT_TEXT, raisedBy: "the file is not one of ours" }), path);
}

interface Kind {
  isFile(): boolean;
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

function checkKind(found: Kind, path: string): void {
  if (found.isFile()) return;
  const kind = found.isDirectory()
    ? "a folder"
    : found.isFIFO()
      ? "a pipe"
      : found.isSocket()
        ? "a socket"
        : "a device";
  throw new UserError(`${path}: a regular file expected, found ${kind}; give the path of a file`);
}

async function readWhole(
  file: FileHandle,
  path: string,
  { limitBytes = LIMIT_ARRAYS, raisedBy = "raise limitBytes" }: ReadOptions,
): Promise<Uint8Array> {
  const found = await file.stat();
  checkKind(found, path);
  const { size } = found;
  if (size > limitBytes)
    throw new UserError(`${path}: at most ${limitBytes} bytes expected, found ${size}; ${raisedBy}, or check the file`);
  const bytes = new Uint8Array(size);
  for (let filled = 0; filled < size; ) {
    const { bytesRead } = await file.read(bytes, filled, Math.min(size - filled, 2 ** 30), filled);
    if (bytesRead === 0)
      throw new UserError(
        `${path}: ${size} bytes expected, found ${filled}; the file was changed while it was read, try again`,
      );
    filled += bytesRead;
  }
  return bytes;
}
