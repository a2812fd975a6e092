/** Where the bytes of a file lie: a file of its own, or a part of an archive. Plain data, so that any thread can read them. */
import type { FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { openRegularFile } from "../files/reader.ts";

export interface FilePlace {
  /** Of the file, or of the archive that holds it. */
  readonly path: string;
  /** Of the first byte; in a zip that of the entry's local header. */
  readonly offset: number;
  /** As they lie there; null: to the end of the file. */
  readonly bytes: number | null;
  readonly packing: "none" | "zip stored" | "zip deflated";
  /** Unpacked. */
  readonly size: number | null;
}

/** No picture, table or list of names is larger, unpacked or not. */
export const FILE_LIMIT = 2 ** 29;

/** A file of its own. */
export function wholeFile(path: string): FilePlace {
  return { path, offset: 0, bytes: null, packing: "none", size: null };
}

/** @throws {Error} if there are more bytes than `limit`, fewer than there should be, or they cannot be unpacked */
export async function readPlace(place: FilePlace, limit = FILE_LIMIT): Promise<Uint8Array> {
  const file = await openRegularFile(place.path);
  try {
    const found = await file.stat();
    const offset = place.packing === "none" ? place.offset : await zipDataStart(file, place.offset);
    const length = place.bytes ?? found.size - offset;
    checkSize(Math.max(length, place.size ?? 0), limit);
    const bytes = await readFully(file, offset, length);
    // awaited here: a rejection would be nobody's while the file is closed, and end the process
    return place.packing === "zip deflated" ? await inflate(bytes, place.size!) : bytes;
  } finally {
    await file.close();
  }
}

function checkSize(bytes: number, limit: number): void {
  if (bytes > limit) throw new Error(`${bytes} bytes, more than ${limit}`);
}

async function readFully(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw new Error(`cut short: ${filled} of ${length} bytes`);
    filled += bytesRead;
  }
  return bytes;
}

/** A local header repeats the entry's name, with extra fields of its own length: APPNOTE.TXT 4.3.7. */
async function zipDataStart(file: FileHandle, offset: number): Promise<number> {
  const header = await readFully(file, offset, 30);
  const view = new DataView(header.buffer);
  if (view.getUint32(0, true) !== 0x04034b50) throw new Error("no zip entry where one should be");
  return offset + 30 + view.getUint16(26, true) + view.getUint16(28, true);
}

async function inflate(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  const unpacked = await promisify(inflateRaw)(bytes, { maxOutputLength: Math.max(1, size) });
  if (unpacked.length !== size) throw new Error(`${unpacked.length} bytes unpacked, ${size} expected`);
  return unpacked;
}
