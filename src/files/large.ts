/** Files too large to be held: written in parts, and read at random. */
import { randomUUID } from "node:crypto";
import { closeSync, constants, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { diskError, onDisk } from "./disk-errors.ts";
import { isRunning } from "./owner.ts";

/** A file while it is written; nobody takes it for a whole one before its writer says so. */
export interface PartWriter {
  /** @param position default: after what was written last */
  write(bytes: Uint8Array, position?: number): void;
  /** What was written so far is on disk when this returns. */
  flush(): void;
  close(): void;
}

export interface PartOptions {
  /** Goes on with what is there, at its end; otherwise it is written anew. */
  readonly isContinued?: boolean;
  /** Of the whole file, where they are known: what is not written yet reads as zeros, and takes no room. */
  readonly bytes?: number;
}

const WRITING = "a file that can be written";

/** @throws {UserError} for what the disk refuses, here and in all that is done with it */
export function writeParts(path: string, { isContinued = false, bytes }: PartOptions = {}): PartWriter {
  const work = <T>(action: () => T): T => told(path, WRITING, action);
  const { O_RDWR, O_CREAT, O_TRUNC } = constants;
  const descriptor = work(() => openSync(path, O_RDWR | O_CREAT | (isContinued ? 0 : O_TRUNC)));
  let end = 0;
  try {
    work(() => {
      if (bytes !== undefined) ftruncateSync(descriptor, bytes);
      end = fstatSync(descriptor).size;
    });
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return {
    write(part, position) {
      const from = position ?? end;
      work(() => {
        for (let done = 0; done < part.length; )
          done += writeSync(descriptor, part, done, part.length - done, from + done);
      });
      if (position === undefined) end = from + part.length;
    },
    flush: () => work(() => fdatasyncSync(descriptor)),
    close: () => closeSync(descriptor),
  };
}

/** A file that was written in parts gets its name: whoever looks finds it whole, or not at all. @throws {UserError} for what the disk refuses */
export function putInPlace(part: string, path: string): Promise<void> {
  return onDisk(path, WRITING, () => rename(part, path));
}

/**
 * A name for a file that only this process needs, and only while it runs; the folder is made, and those of processes that were killed are
 * removed.
 */
export async function scratchFile(folder: string): Promise<string> {
  await onDisk(folder, "a folder that can be made", () => mkdir(folder, { recursive: true }));
  for (const name of await readdir(folder)) {
    const owner = /^scratch-(\d+)-/.exec(name)?.[1];
    if (owner && !isRunning(Number(owner))) await rm(join(folder, name), { force: true });
  }
  return join(folder, `scratch-${process.pid}-${randomUUID()}`);
}

/** A file whose bytes are read where they are wanted. */
export interface RandomReader {
  readonly path: string;
  /** Fills `into` with the bytes from `position` on. @throws {UserError} if the file ends before */
  read(into: Uint8Array, position: number): void;
}

/** Closes a file once nothing reads from it any more. */
const closing = new FinalizationRegistry<number>((file) => closeSync(file));

/** @throws {UserError} if there is none, it is no regular file, or it cannot be read */
export function openRandom(path: string): RandomReader {
  const descriptor = told(
    path,
    "a file that can be read",
    () => openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)), // a pipe would wait
  );
  if (!fstatSync(descriptor).isFile()) {
    closeSync(descriptor);
    throw new UserError(`${path}: a regular file expected, found something else; give the path of a file`);
  }
  const reader: RandomReader = {
    path,
    read(into, position) {
      for (let filled = 0; filled < into.length; ) {
        const read = told(path, "a file that can be read", () =>
          readSync(descriptor, into, filled, into.length - filled, position + filled),
        );
        if (read === 0)
          throw new UserError(
            `${path}: ${into.length} bytes at ${position} expected, found its end; the file was changed, run it again`,
          );
        filled += read;
      }
    },
  };
  closing.register(reader, descriptor);
  return reader;
}

function told<T>(path: string, expected: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw diskError(cause, path, expected) ?? cause;
  }
}
