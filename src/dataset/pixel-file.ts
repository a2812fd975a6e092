/** Pixels in a file, read at random and never held: what a data set larger than memory is trained from. */
import { closeSync, openSync, readSync } from "node:fs";
import { memoryPixels, type PixelPlace, type PixelSource } from "./pixels.ts";

/** Closes a file once nothing reads from it any more. */
const closing = new FinalizationRegistry<number>((file) => closeSync(file));

interface OpenFile {
  readonly path: string;
  readonly descriptor: number;
}

/**
 * @param path rows of `imageBytes` each, one after the other, from the start of the file
 * @param rows [N] which of them, in which order
 */
export function filePixels(path: string, imageBytes: number, rows: Uint32Array): PixelSource {
  const file: OpenFile = { path, descriptor: openSync(path, "r") };
  closing.register(file, file.descriptor);
  return sourceOf(file, imageBytes, rows);
}

/** Pixels that another thread told of. */
export function openPixels(place: PixelPlace): PixelSource {
  return place.kind === "memory"
    ? memoryPixels(place.bytes, place.imageBytes)
    : filePixels(place.path, place.imageBytes, place.rows);
}

function sourceOf(file: OpenFile, imageBytes: number, rows: Uint32Array): PixelSource {
  let buffer = new Uint8Array(imageBytes);
  return {
    count: rows.length,
    imageBytes,
    place: { kind: "file", path: file.path, imageBytes, rows },
    read(from, to) {
      const length = (to - from) * imageBytes;
      if (buffer.length < length) buffer = new Uint8Array(length);
      for (let i = from; i < to; ) {
        let end = i + 1; // neighbours in the file are read at once
        while (end < to && rows[end] === rows[end - 1]! + 1) end++;
        readRows(file, buffer.subarray((i - from) * imageBytes, (end - from) * imageBytes), rows[i]! * imageBytes);
        i = end;
      }
      return buffer.subarray(0, length);
    },
    select: (indices) =>
      sourceOf(
        file,
        imageBytes,
        indices.map((index) => rows[index]!),
      ),
  };
}

function readRows({ path, descriptor }: OpenFile, into: Uint8Array, position: number): void {
  for (let filled = 0; filled < into.length; ) {
    const read = readSync(descriptor, into, filled, into.length - filled, position + filled);
    if (read === 0)
      throw new Error(`${path}: ${into.length} bytes at ${position} expected, found its end; the file was changed`);
    filled += read;
  }
}
