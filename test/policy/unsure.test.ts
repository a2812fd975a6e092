import fc from "fast-check";
import { expect, test } from "vitest";
import { leastConfidence } from "../../src/policy/unsure.ts";

test("worked out by hand: the largest set of the surest that is right often enough", () => {
  const confidence = Float64Array.of(0.9, 0.6, 0.8, 0.7, 0.5);
  const correct = Uint8Array.of(1, 0, 1, 1, 1);
  expect(leastConfidence(confidence, correct, 1)).toEqual({ least: 0.7, answered: 0.6, precision: 1 });
  expect(leastConfidence(confidence, correct, 0.8)).toEqual({ least: 0.5, answered: 1, precision: 0.8 });
  expect(leastConfidence(confidence, correct, 0.75)).toEqual({ least: 0.5, answered: 1, precision: 0.8 });
  expect(leastConfidence(confidence, Uint8Array.of(0, 1, 1, 1, 1), 0.9)).toBeNull(); // the surest is wrong
});

test("images of one confidence are answered together or not at all", () => {
  expect(leastConfidence(Float64Array.of(0.9, 0.9), Uint8Array.of(1, 0), 0.9)).toBeNull();
  expect(leastConfidence(Float64Array.of(0.9, 0.9, 0.95), Uint8Array.of(1, 0, 1), 0.9)!.answered).toBeCloseTo(
    1 / 3,
    12,
  );
});

test("what it says is so, and no lower confidence would do", () => {
  const image = fc.record({ p: fc.double({ min: 0.1, max: 1, noNaN: true }), right: fc.constantFrom(0, 1) });
  fc.assert(
    fc.property(
      fc.array(image, { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (images, precise) => {
        const found = leastConfidence(
          Float64Array.from(images, ({ p }) => p),
          Uint8Array.from(images, ({ right }) => right),
          precise,
        );
        const at = (least: number): { count: number; precision: number } => {
          const answered = images.filter(({ p }) => p >= least);
          return { count: answered.length, precision: answered.filter(({ right }) => right).length / answered.length };
        };
        for (const { p } of images) if (p < (found?.least ?? Infinity)) expect(at(p).precision).toBeLessThan(precise);
        if (!found) return;
        expect(at(found.least)).toEqual({ count: found.answered * images.length, precision: found.precision });
        expect(found.precision).toBeGreaterThanOrEqual(precise);
      },
    ),
  );
});
