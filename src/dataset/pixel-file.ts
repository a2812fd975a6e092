/** Pixels in a file, read at random and never held: what a data set larger than memory is trained from. */
import { openRandom, type RandomReader } from "../files/large.ts";
import { memoryPixels, type PixelPlace, type PixelSource } from "./pixels.ts";

/**
 * @param path rows of `imageBytes` each, one after the other, from the start of the file
 * @param rows [N] which of them, in which order
 */
export function filePixels(path: string, imageBytes: number, rows: Uint32Array): PixelSource {
  return sourceOf(openRandom(path), imageBytes, rows);
}

/** Pixels that another thread told of. */
export function openPixels(place: PixelPlace): PixelSource {
  return place.kind === "memory"
    ? memoryPixels(place.bytes, place.imageBytes)
    : filePixels(place.path, place.imageBytes, place.rows);
}

function sourceOf(file: RandomReader, imageBytes: number, rows: Uint32Array): PixelSource {
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
        file.read(buffer.subarray((i - from) * imageBytes, (end - from) * imageBytes), rows[i]! * imageBytes);
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
