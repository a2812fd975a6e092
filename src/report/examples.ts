import sharp from "sharp";
import type { ImageShape, Samples } from "../dataset/dataset.ts";
import { confidences } from "../policy/calibration.ts";
import type { ExitTable } from "../policy/exit-table.ts";
import type { ExamplePicture, ExitExamples } from "./report-data.ts";

/** Of each exit; all of them in a report of some hundred kilobytes. */
const PER_EXIT = 12;
/** Larger pictures are made smaller, in pixels. */
const LARGEST_SIDE = 96;

export interface ExampleSource {
  readonly samples: Samples;
  readonly imageShape: ImageShape;
  /** [K] names */
  readonly classes: readonly string[];
  readonly table: ExitTable;
  /** [N] exit taken for each image, 0..E-1 */
  readonly exits: Uint8Array;
  /** [E] */
  readonly temperatures: readonly number[];
}

/** Of the images that left at each exit, twelve at equal distances from the surest answer to the least sure. */
export function examplePictures(source: ExampleSource): Promise<ExitExamples[]> {
  return Promise.all(
    source.temperatures.map(async (temperature, exit) => {
      const { confidence } = confidences(source.table, exit, temperature);
      const left = Array.from(source.exits.keys()).filter((i) => source.exits[i] === exit);
      const chosen = spread(
        left.sort((a, b) => confidence[b]! - confidence[a]!),
        PER_EXIT,
      );
      const pictures = chosen.map((image) => examplePicture(source, image, exit, confidence[image]!));
      return { exit: exit + 1, pictures: await Promise.all(pictures) };
    }),
  );
}

/** The first, the last and others at equal distances between them; all if there are no more than that. */
export function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}

async function examplePicture(
  { samples, imageShape, classes, table }: ExampleSource,
  image: number,
  exit: number,
  confidence: number,
): Promise<ExamplePicture> {
  const from = (image * table.exits + exit) * table.classes;
  const logits = table.logits.subarray(from, from + table.classes);
  return {
    png: await pngAddress(samples.pixels, image, imageShape),
    label: classes[samples.labels[image]!]!,
    answer: classes[logits.indexOf(Math.max(...logits))]!,
    confidence,
  };
}

/** One of [N, C, H, W] bytes as a PNG in a data URL. */
async function pngAddress(pixels: Uint8Array, image: number, [channels, height, width]: ImageShape): Promise<string> {
  const size = height * width;
  const interleaved = Buffer.alloc(size * channels);
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < size; i++) interleaved[i * channels + c] = pixels[(image * channels + c) * size + i]!;
  const png = await sharp(interleaved, { raw: { width, height, channels: channels as 1 | 3 } })
    .resize(LARGEST_SIDE, LARGEST_SIDE, { fit: "inside", withoutEnlargement: true })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}
