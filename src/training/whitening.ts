import { type Normalisation, normalisationTable } from "../dataset/augmentation.ts";
import type { ImageShape, Samples } from "../dataset/dataset.ts";
import type { Blueprint } from "../network/blueprint.ts";
import type { Weights } from "../network/weights.ts";

/** Patches of as many images as this tell the components to three digits. */
const IMAGES = 2000;
/** Added to each variance, so that what hardly varies is not blown up. */
const EPSILON = 5e-4;

/** What a training begins with besides random numbers: the filters of a whitening layer, if there is one. */
export async function startingWeights(
  { stages }: Blueprint,
  train: Samples,
  imageShape: ImageShape,
  normalisation: Normalisation,
): Promise<Weights> {
  const first = stages[0]!.layers[0];
  if (first?.type !== "whitening") return new Map();
  const shape = [first.channels, imageShape[0], 3, 3];
  const data = await whiteningFilters(train, imageShape, normalisation, first.channels);
  return new Map([["stages.0.layers.0.weight", { shape, data }]]);
}

/**
 * Filters whose answers on 3x3 patches of normalised images are uncorrelated and of variance 1:
 * the eigenvectors v of the patches' second moments with the largest eigenvalues e, as v / sqrt(e + 5e-4), then their negatives
 * (a rectifier passes one of the two).
 *
 * @param channels even, at most 18 C
 * @returns [channels, C, 3, 3]
 * @see Keller Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024), section 3.2; patches are 2x2 there
 */
export async function whiteningFilters(
  samples: Samples,
  imageShape: ImageShape,
  normalisation: Normalisation,
  channels: number,
): Promise<Float32Array> {
  // CommonJS, so on demand: bundlers put what such modules need into a page's first chunk, from which ONNX Runtime's chunk takes it
  // too; each of its threads would then run the page's own script.
  const { EigenvalueDecomposition, Matrix } = await import("ml-matrix");
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    new Matrix(patchMoments(samples, imageShape, normalisation)),
    { assumeSymmetric: true },
  );
  const values = imageShape[0] * 9;
  const largestFirst = [...realEigenvalues.keys()].sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  const filters = new Float32Array(channels * values);
  for (let filter = 0; filter < channels / 2; filter++) {
    const column = largestFirst[filter]!;
    const scale = 1 / Math.sqrt(realEigenvalues[column]! + EPSILON);
    const vector = eigenvectorMatrix.getColumn(column);
    const sign = Math.sign(vector.find((value) => Math.abs(value) > 1e-6)!); // an eigenvector's own sign is arbitrary
    for (const [i, value] of vector.entries()) {
      filters[filter * values + i] = sign * scale * value;
      filters[(channels / 2 + filter) * values + i] = -sign * scale * value;
    }
  }
  return filters;
}

/** [9 C, 9 C] mean products of the values of 3x3 patches; every second patch of a row and of a column. */
function patchMoments(
  samples: Samples,
  [channels, height, width]: ImageShape,
  normalisation: Normalisation,
): number[][] {
  const table = normalisationTable(normalisation);
  const size = channels * 9;
  const sums = new Float64Array(size * size);
  const patch = new Float64Array(size);
  const images = Math.min(IMAGES, samples.count);
  let patches = 0;
  for (let image = 0; image < images; image++) {
    const pixels = samples.pixels.read(image, image + 1);
    for (let top = 0; top + 3 <= height; top += 2) {
      for (let left = 0; left + 3 <= width; left += 2) {
        for (let i = 0; i < size; i++) {
          const c = Math.floor(i / 9);
          const at = (c * height + top + (Math.floor(i / 3) % 3)) * width + left + (i % 3);
          patch[i] = table[c * 256 + pixels[at]!]!;
        }
        for (let a = 0; a < size; a++) for (let b = 0; b <= a; b++) sums[a * size + b]! += patch[a]! * patch[b]!;
        patches++;
      }
    }
  }
  const moment = (a: number, b: number): number => sums[Math.max(a, b) * size + Math.min(a, b)]! / patches;
  return Array.from({ length: size }, (_, a) => Array.from({ length: size }, (_, b) => moment(a, b)));
}
