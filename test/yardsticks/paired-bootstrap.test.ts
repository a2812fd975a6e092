import { expect, test } from "vitest";
import { normal, seededRandom } from "../../src/random.ts";
import { columnMeans, pairedBootstrap } from "../../src/yardsticks/paired-bootstrap.ts";

/** [N, 2] two policies: what is hard is hard for both, the second one is better by `edge`, give or take `spread`. */
function outcomes(count: number, edge: number, spread: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from(
    Array.from({ length: count }, () => {
      const ease = 5 * normal(random);
      return [ease, ease + edge + spread * normal(random)];
    }).flat(),
  );
}

const difference = (means: Float64Array): number[] => [means[1]! - means[0]!, means[0]!];

test("an interval of the difference is as narrow as the difference, not as the images", () => {
  const values = outcomes(400, 0.3, 1, 1);
  const [means, [ofDifference, ofMean]] = [columnMeans(values, 2), pairedBootstrap(values, 2, difference, 1)];
  // +- 1.96 / sqrt(400) = 0.098 around what was seen; 5 times that for the mean alone; 15% for 1000 resamples
  const width = ofDifference![1] - ofDifference![0];
  expect(width).toBeGreaterThan(0.196 * 0.85);
  expect(width).toBeLessThan(0.196 * 1.15);
  expect((ofMean![1] - ofMean![0]) / width).toBeGreaterThan(4);
  expect(ofDifference![0]).toBeLessThan(means[1]! - means[0]!);
  expect(ofDifference![1]).toBeGreaterThan(means[1]! - means[0]!);
});

test("95 of 100 intervals hold the true difference", () => {
  let held = 0;
  for (let seed = 0; seed < 100; seed++) {
    const [interval] = pairedBootstrap(outcomes(100, 0.3, 1, 100 + seed), 2, difference, seed, 200);
    if (interval![0] <= 0.3 && interval![1] >= 0.3) held++;
  }
  expect(held).toBeGreaterThan(85); // 95 - 4.6 standard deviations
});

test("same seed, same interval; no images are refused", () => {
  const values = outcomes(50, 0, 1, 3);
  expect(pairedBootstrap(values, 2, difference, 4)).toEqual(pairedBootstrap(values, 2, difference, 4));
  expect(pairedBootstrap(values, 2, difference, 5)).not.toEqual(pairedBootstrap(values, 2, difference, 4));
  expect(() => pairedBootstrap(new Float64Array(), 2, difference, 1)).toThrow("at least 1 image expected, found 0");
  expect(() => pairedBootstrap(new Float64Array(3), 2, difference, 1)).toThrow("[N, 2]");
});
