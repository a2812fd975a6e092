import { integer, seededRandom } from "../random.ts";

const PURPOSE = 0xb0075; // keeps these random numbers apart from those of other purposes with the same seed

/**
 * 95% intervals of figures that compare policies on the same images: percentile bootstrap over images, in which a resample
 * draws an image with the outcomes of all policies. What all policies find hard or easy then cancels out of a difference.
 *
 * @param values [N, C] row by row: what image i adds to each of C means
 * @param columns C
 * @param figures S numbers that follow from the means [C] of a resample
 * @param resamples default 1000
 * @returns [S] from the 2.5% to the 97.5% quantile
 * @throws {RangeError} if there is no image, or not C values for each
 * @see Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3
 */
export function pairedBootstrap(
  values: Float64Array,
  columns: number,
  figures: (means: Float64Array) => readonly number[],
  seed: number,
  resamples = 1000,
): (readonly [low: number, high: number])[] {
  const count = values.length / columns;
  if (!(count >= 1 && Number.isInteger(count)))
    throw new RangeError(
      `pairedBootstrap: values [N, ${columns}] of at least 1 image expected, found ${values.length}`,
    );
  const random = seededRandom(PURPOSE, seed);
  const drawn: (readonly number[])[] = [];
  const means = new Float64Array(columns);
  for (let resample = 0; resample < resamples; resample++) {
    means.fill(0);
    for (let i = 0; i < count; i++) {
      const from = integer(random, 0, count - 1) * columns;
      for (let c = 0; c < columns; c++) means[c]! += values[from + c]!;
    }
    for (let c = 0; c < columns; c++) means[c]! /= count;
    drawn.push([...figures(means)]);
  }
  return drawn[0]!.map((_, s) => {
    const sorted = Float64Array.from(drawn, (one) => one[s]!).sort();
    return [sorted[Math.floor(0.025 * (resamples - 1))]!, sorted[Math.ceil(0.975 * (resamples - 1))]!] as const;
  });
}

/** [C] the mean of every column of values [N, C]. */
export function columnMeans(values: Float64Array, columns: number): Float64Array {
  const means = new Float64Array(columns);
  for (let at = 0; at < values.length; at++) means[at % columns]! += values[at]!;
  return means.map((sum) => sum / (values.length / columns));
}
