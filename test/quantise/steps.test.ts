import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BINS, type Observed } from "../../src/quantise/observe.ts";
import { candidateRanges, leastError, percentileRange, squaredError } from "../../src/quantise/ranges.ts";
import { roundedToEven, stepsOf, weightScales, weightSteps, weightsFrom } from "../../src/quantise/steps.ts";
import { packSevenBits, unpackSevenBits } from "../../src/quantise/stored.ts";

describe("steps of an activation", () => {
  test("are 255 from one end to the other, with one of them for 0", () => {
    expect(stepsOf({ min: 0, max: 25.5 })).toEqual({ scale: Math.fround(0.1), zero: 0 });
    expect(stepsOf({ min: -1, max: 1.55 })).toEqual({ scale: Math.fround(0.01), zero: 100 });
    expect(stepsOf({ min: 2, max: 5.1 })).toEqual({ scale: Math.fround(0.02), zero: 0 }); // stretched to 0
    expect(stepsOf({ min: -5.1, max: -2 })).toEqual({ scale: Math.fround(0.02), zero: 255 });
    expect(stepsOf({ min: 0, max: 0 })).toEqual({ scale: 1, zero: 0 });
  });
});

describe("steps of weights", () => {
  const floats = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 6, maxLength: 6 });

  test.each([127, 63])("rounded once to %i, weights give the same scales and steps again, and are exact", (largest) => {
    fc.assert(
      fc.property(floats, (values) => {
        const weights = Float32Array.from(values);
        const scales = weightScales(weights, 2, largest);
        const steps = weightSteps(weights, scales);
        const rounded = weightsFrom(steps, scales);
        for (const [i, value] of rounded.entries()) {
          expect(value).toBe(steps[i]! * scales[i < 3 ? 0 : 1]!); // as float64: nothing was rounded off
          expect(Math.abs(value - weights[i]!)).toBeLessThanOrEqual(0.5001 * scales[i < 3 ? 0 : 1]!);
        }
        expect(weightSteps(rounded, weightScales(rounded, 2, largest))).toEqual(steps);
        const isAlive = (o: number): boolean => steps.slice(3 * o, 3 * o + 3).some((step) => step !== 0);
        const again = weightScales(rounded, 2, largest);
        for (const o of [0, 1]) if (isAlive(o)) expect(again[o]).toBe(scales[o]);
      }),
      { seed: 1 },
    );
  });

  test("the largest of each channel is the largest step; ties go to even", () => {
    expect(weightSteps(Float32Array.of(127, -1, 0.5, 1.5, 2.5, -0.5), Float32Array.of(1))).toEqual(
      Int8Array.of(127, -1, 0, 2, 2, -0),
    );
    expect(weightScales(Float32Array.of(63.5, 1, -254, 2), 2, 127)).toEqual(Float32Array.of(0.5, 2));
    expect([-1.5, -0.5, 0.5, 1.5, 2.4].map(roundedToEven)).toEqual([-2, 0, 0, 2, 2]);
  });
});

test("seven bits of each step are packed and come back, for any count of them", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -64, max: 63 }), { maxLength: 40 }), (values) => {
      const steps = Int8Array.from(values);
      const packed = packSevenBits(steps);
      expect(packed).toHaveLength(Math.ceil((steps.length * 7) / 8));
      expect(unpackSevenBits(packed, steps.length)).toEqual(steps);
    }),
    { seed: 1 },
  );
  expect(packSevenBits(Int8Array.of(1, 1))).toEqual(Int8Array.of(-127, 0)); // 1 | 1 << 7
  expect(() => unpackSevenBits(new Int8Array(2), 8)).toThrow("8 numbers of 7 bits expected, found 2 bytes");
});

describe("ranges", () => {
  /** 1,000 values evenly in -1..1, and one far away. */
  const histogram = new Float64Array(BINS);
  const observed: Observed = { min: -1, max: 99, histogram };
  for (let i = 0; i < 1000; i++) histogram[Math.floor(((i * 2) / 1000 / 100) * BINS)]! += 1;
  histogram[BINS - 1] = 1;

  test("a percentile leaves the rest out, half of it at either end", () => {
    const { min, max } = percentileRange(observed, 0.99);
    expect(min).toBeCloseTo(-1, 1);
    expect(max).toBeLessThan(1.1);
    expect(percentileRange(observed, 1)).toEqual({ min: -1, max: 99 });
  });

  test("the least squared error is not above that of any candidate", () => {
    const best = squaredError(observed, leastError(observed));
    for (const range of candidateRanges(observed)) expect(best).toBeLessThanOrEqual(squaredError(observed, range));
    expect(candidateRanges(observed)[0]).toEqual({ min: -1, max: 99 });
  });

  test("the squared error is that of rounding and clipping, worked out value by value", () => {
    const few: Observed = { min: 0, max: BINS, histogram: new Float64Array(BINS) };
    for (const bin of [0, 10, 100]) few.histogram[bin] = 2; // 0.5, 10.5 and 100.5
    const [scale, top] = [Math.fround(0.2), 255 * Math.fround(0.2)];
    const expected = [0.5, 10.5, 100.5].reduce((sum, value) => {
      const rounded = Math.min(top, Math.round(value / scale) * scale);
      return sum + 2 * (value - rounded) ** 2;
    }, 0);
    expect(squaredError(few, { min: 0, max: 51 })).toBeCloseTo(expected, 6);
  });
});
