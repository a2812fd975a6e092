import sharp from "sharp";
import type { ImageShape, Samples } from "../dataset/dataset.ts";
import type { AnswerTable } from "../exits/answers.ts";
import { confidences } from "../exits/calibration.ts";
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
  readonly answers: AnswerTable;
  /** [N] exit taken for each image, 0..E-1 */
  readonly exits: Uint8Array;
}

/** Of the images that left at each exit, twelve at equal distances from the surest answer to the least sure. */
export function examplePictures(source: ExampleSource): Promise<ExitExamples[]> {
  return Promise.all(
    Array.from({ length: source.answers.exits }, async (_, exit) => {
      const { confidence } = confidences(source.answers, exit);
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
  { samples, imageShape, classes, answers }: ExampleSource,
  image: number,
  exit: number,
  confidence: number,
): Promise<ExamplePicture> {
  const from = (image * answers.exits + exit) * answers.classes;
  const logProbabilities = answers.logProbabilities.subarray(from, from + answers.classes);
  return {
    png: await pngAddress(samples.pixels.read(image, image + 1), imageShape),
    label: classes[samples.labels[image]!]!,
    answer: classes[logProbabilities.indexOf(Math.max(...logProbabilities))]!,
    confidence,
  };
}

/** [C, H, W] bytes as a PNG in a data URL. */
export async function pngAddress(pixels: Uint8Array, [channels, height, width]: ImageShape): Promise<string> {
  const size = height * width;
  const interleaved = Buffer.alloc(size * channels);
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < size; i++) interleaved[i * channels + c] = pixels[c * size + i]!;
  const png = await sharp(interleaved, { raw: { width, height, channels: channels as 1 | 3 } })
    .resize(LARGEST_SIDE, LARGEST_SIDE, { fit: "inside", withoutEnlargement: true })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}
