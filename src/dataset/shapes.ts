import { seededRandom, uniform } from "../random.ts";
import { type Dataset, type DatasetParts, type ImageShape, type Images, splitParts } from "./dataset.ts";
import { memoryPixels, sharedBytes } from "./pixels.ts";
import { drawShape, SHAPE_CLASSES, SIDE } from "./shape-drawing.ts";

const SHAPES = 0x73686170; // keeps these random numbers apart from those of other purposes with the same seed
const TRAINING = 0;
const TEST = 1;
const IMAGE_SHAPE: ImageShape = [3, SIDE, SIDE];

export interface ShapesOptions {
  /** Picture i of a part depends on (seed, part, i) only; default 1. */
  readonly seed?: number;
  /** Pictures in the training part, before validation is taken from it; default 10,000; 0 for none. */
  readonly trainCount?: number;
  /** Default 2000. */
  readonly testCount?: number;
}

/**
 * The built-in dataset: ten classes of drawn shapes, 3 x 32 x 32, balanced; half of the pictures are easy, the others
 * graded from moderate to hard. 8000 pictures take about a second to draw.
 *
 * @param options `validationFraction`: share of the training part that becomes the validation split; default 0.1
 */
export function shapesDataset(options: ShapesOptions & { readonly validationFraction?: number } = {}): Dataset {
  return splitParts(drawShapesParts(options), options.validationFraction ?? 0.1, options.seed ?? 1);
}

/** The two parts of the shapes, not split yet. */
export function drawShapesParts({ seed = 1, trainCount = 10_000, testCount = 2000 }: ShapesOptions): DatasetParts {
  return {
    name: "shapes",
    imageShape: IMAGE_SHAPE,
    classes: SHAPE_CLASSES,
    training: trainCount === 0 ? null : drawImages(seed, TRAINING, trainCount),
    validation: null,
    test: drawImages(seed, TEST, testCount),
  };
}

/** Labels go round the classes, so that any count is as balanced as it can be. */
function drawImages(seed: number, part: number, count: number): Images {
  const pixels = sharedBytes(count * 3 * SIDE * SIDE);
  const labels = Uint16Array.from({ length: count }, (_, i) => i % SHAPE_CLASSES.length);
  for (const [i, label] of labels.entries()) {
    const random = seededRandom(seed, SHAPES, part, i);
    const difficulty = Math.max(0, 2 * uniform(random) - 1); // half are 0, the others uniform up to 1
    pixels.set(drawShape(label, difficulty, random), i * 3 * SIDE * SIDE);
  }
  return { pixels: memoryPixels(pixels, 3 * SIDE * SIDE), labels };
}
