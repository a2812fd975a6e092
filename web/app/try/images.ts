/** The images that are tried, and where they come from. */
import { type ImageShape, shapesDataset } from "earlyexit/web";
import { Trouble, type WorkerClient } from "../client.ts";

export interface TriedImage {
  readonly id: number;
  readonly name: string;
  /** [C, H, W] bytes 0..255, as the network sees it */
  readonly pixels: Uint8Array;
  /** As it was given, where it was a file: shown in its own resolution. */
  readonly file: File | null;
  /** The class that it really shows, where that is known. */
  readonly truth: string | null;
}

/** Larger files are refused before they are read. */
const MOST_BYTES = 50e6;

let lastId = 0;

/** @throws {Trouble} if the file is too large or no picture */
export async function imageFromFile(client: WorkerClient, file: File, shape: ImageShape): Promise<TriedImage> {
  const name = file.name || "pasted picture";
  if (file.size > MOST_BYTES)
    throw new Trouble(
      `${name} has ${(file.size / 1e6).toFixed(0)} MB; files of at most ${MOST_BYTES / 1e6} MB can be read here.`,
    );
  try {
    return { id: ++lastId, name, pixels: await client.read(file, shape), file, truth: null };
  } catch (error) {
    if (error instanceof Trouble) throw new Trouble(`${name}: ${error.message}`);
    throw error;
  }
}

/** Freshly drawn images of the built-in set, of every class and from easy to hard. */
export function drawnImages(count: number): TriedImage[] {
  const seed = 1000 + lastId; // none of those that the model was trained on
  const { classes, test } = shapesDataset({ seed, trainCount: 0, testCount: count });
  return Array.from(test.labels, (label, i) => ({
    id: ++lastId,
    name: `drawn ${classes[label]}`,
    pixels: test.pixels.read(i, i + 1).slice(),
    file: null,
    truth: classes[label]!,
  }));
}
