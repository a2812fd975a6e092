/** A safetensors file read in parts, in Node: it may be larger than what is held in one piece. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { onDisk } from "./disk-errors.ts";
import { openRegularFile } from "./reader.ts";
import { type Header, listed, MOST_HEADER_BYTES, readHeader, type StoredArray, valueType } from "./safetensors.ts";

/** Bytes of one part: a multiple of what a value of any type takes. */
const PART = 2 ** 26;

export interface SafetensorsFile {
  readonly arrays: ReadonlyMap<string, StoredArray>;
  /** All that it holds, for messages: "logits F32 [100, 4, 10]". */
  readonly held: readonly string[];
  readonly sha256: string;
}

/**
 * @param wanted names of the arrays to read; others stay on the disk
 * @throws {UserError} if there is no such file, it is damaged, or an array is of a type that is not read
 */
export function readSafetensorsFile(path: string, wanted: readonly string[]): Promise<SafetensorsFile> {
  return onDisk(path, "a file that can be read", async () => {
    const file = await openRegularFile(path);
    try {
      const { size } = await file.stat();
      const beginning = await bytesAt(file, 0, Math.min(size, 8 + MOST_HEADER_BYTES), path);
      const { header, start } = readHeader(beginning, path, size);
      const arrays = new Map<string, StoredArray>();
      for (const name of wanted)
        if (header[name]) arrays.set(name, await readArray(file, name, header[name], start, path));
      return { arrays, held: listed(header), sha256: await digest(file, size, path) };
    } finally {
      await file.close();
    }
  });
}

async function readArray(
  file: FileHandle,
  name: string,
  { dtype, shape, data_offsets: [from, to] }: Header[string],
  start: number,
  where: string,
): Promise<StoredArray> {
  const { read, bytesPerValue } = valueType(name, dtype, where);
  let data: StoredArray["data"] | null = null;
  for (let at = from; at < to || data === null; at += PART) {
    const part = read(await bytesAt(file, start + at, Math.min(PART, to - at), where));
    // of the same kind, as large as all parts together
    data ??= new (part.constructor as new (count: number) => typeof part)((to - from) / bytesPerValue);
    data.set(part, (at - from) / bytesPerValue);
  }
  return { shape, data };
}

async function digest(file: FileHandle, size: number, where: string): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < size; at += PART) hash.update(await bytesAt(file, at, Math.min(PART, size - at), where));
  return hash.digest("hex");
}

async function bytesAt(file: FileHandle, from: number, count: number, where: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count; ) {
    const { bytesRead } = await file.read(bytes, filled, count - filled, from + filled);
    if (bytesRead === 0)
      throw new UserError(
        `${where}: ${from + count} bytes expected, found ${from + filled}; the file was changed while it was read, try again`,
      );
    filled += bytesRead;
  }
  return bytes;
}
