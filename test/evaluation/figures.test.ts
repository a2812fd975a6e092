import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluateExits } from "../../src/evaluation/figures.ts";
import { arbitraryDecisions } from "./arbitrary-decisions.ts";
import { COSTS, RULE, TABLE, TAKEN } from "./by-hand.ts";

const decisions = { table: TABLE, exits: TAKEN, costs: COSTS, classes: ["cat", "dog"], rule: RULE };

describe("evaluateExits", () => {
  const figures = evaluateExits(decisions);

  test("the figures as a whole, worked out by hand", () => {
    expect(figures.samples).toBe(4);
    expect(figures.accuracy).toBe(3 / 4);
    expect(figures.balancedAccuracy).toBe(3 / 4); // cat 1, dog 1/2; the class without images does not count
    expect(figures.costMacs).toEqual({ mean: 20, full: 50 }); // (10 + 30 + 10 + 30) / 4
    expect(figures.savings).toBeCloseTo(0.6, 12); // 1 - 20 / 50
    expect(figures.depthSavings).toBe(0.75); // (1 + 1/2 + 1 + 1/2) / 4
    expect(figures.effectiveness).toBeCloseTo(45, 10); // 75 x 0.6
    expect(figures.depthEffectiveness).toBe(56.25); // 75 x 0.75
  });

  test("every exit, worked out by hand", () => {
    const [first, second, third] = figures.exits;
    expect(figures.exits.map(({ exit }) => exit)).toEqual([1, 2, 3]);
    expect(figures.exits.map(({ share }) => share)).toEqual([0.5, 0.5, 0]);
    expect(figures.exits.map(({ accuracy }) => accuracy)).toEqual([1, 0.5, null]);
    expect(figures.exits.map(({ accuracyIfAlways }) => accuracyIfAlways)).toEqual([0.5, 0.75, 1]);
    expect(figures.exits.map(({ costMacs }) => costMacs)).toEqual([10, 30, 60]);
    // images 0 and 2: 0.9 and 0.8
    expect(first!.meanConfidence).toBeCloseTo(0.85, 6);
    expect(first!.stdConfidence).toBeCloseTo(0.05, 6);
    // images 1 and 3: 0.8 and 0.6
    expect(second!.meanConfidence).toBeCloseTo(0.7, 6);
    expect(second!.stdConfidence).toBeCloseTo(0.1, 6);
    expect([third!.meanConfidence, third!.stdConfidence]).toEqual([null, null]);
    // over bins |right - confidence|: 0.9 right; 0.6 and 0.6 wrong; 0.8 right
    expect(first!.ece).toBeCloseTo((0.1 + 1.2 + 0.2) / 4, 6);
    // 0.9 right; 0.8 and 0.8 right; 0.6 wrong
    expect(second!.ece).toBeCloseTo((0.1 + 0.4 + 0.6) / 4, 6);
    // twice the logits: odds of 9, 4, 4 and 1.5 become 81, 16, 16 and 2.25
    expect(second!.eceUnscaled).toBeCloseTo((1 / 82 + 2 / 17 + 2.25 / 3.25) / 4, 6);
    expect(first!.eceUnscaled).toBe(first!.ece); // its temperature is 1
    // three times 0.9 right; 0.75 right
    expect(third!.ece).toBeCloseTo((0.3 + 0.25) / 4, 6);
  });

  test("every class, worked out by hand", () => {
    const [cat, dog] = figures.classes;
    expect(cat).toMatchObject({ name: "cat", samples: 2, accuracy: 1, exitShares: [0.5, 0.5, 0] });
    expect(cat!.accuracyIfAlways).toEqual([0.5, 1, 1]);
    expect(cat!.accuracyInterval![0]).toBeCloseTo(0.34238, 5); // n / (n + z^2) = 2 / 5.84146
    expect(cat!.accuracyInterval![1]).toBe(1);
    expect(dog).toMatchObject({ name: "dog", samples: 2, accuracy: 0.5, exitShares: [0.5, 0.5, 0] });
    expect(dog!.accuracyIfAlways).toEqual([0.5, 0.5, 1]);
  });

  test("a class without images has no figures", () => {
    const labels = Uint16Array.of(0, 0, 0, 0);
    expect(evaluateExits({ ...decisions, table: { ...TABLE, labels } }).classes[1]).toEqual({
      name: "dog",
      samples: 0,
      accuracy: null,
      accuracyInterval: null,
      exitShares: null,
      accuracyIfAlways: null,
    });
  });

  test("same seed, same figures; another seed, other intervals only", () => {
    expect(evaluateExits({ ...decisions, seed: 0 })).toEqual(figures);
    const more = { ...decisions, table: repeat(100), exits: Uint8Array.from({ length: 400 }, (_, i) => TAKEN[i % 4]!) };
    const { intervals, ...rest } = evaluateExits({ ...more, seed: 1 });
    const { intervals: others, ...same } = evaluateExits({ ...more, seed: 2 });
    expect(rest).toEqual(same);
    expect(intervals).not.toEqual(others);
  });

  test("says what does not fit", () => {
    expect(() => evaluateExits({ ...decisions, exits: Uint8Array.of(0, 1, 3, 0) })).toThrow(
      "evaluation: exits of 1..3 expected, found 4 at image 2",
    );
    expect(() => evaluateExits({ ...decisions, exits: Uint8Array.of(0) })).toThrow(
      "evaluation: one exit for each of at least 1 image expected, found 1 for 4 images",
    );
    expect(() => evaluateExits({ ...decisions, classes: ["cat"] })).toThrow(
      "evaluation: 3 costs and 2 class names expected (of the table), found 3 and 1",
    );
  });
});

describe("properties of evaluateExits", () => {
  test("shares sum to 1; exits and classes add up to the whole", () => {
    fc.assert(
      fc.property(arbitraryDecisions, (random) => {
        const { accuracy, costMacs, samples, exits, classes } = evaluateExits(random);
        expect(total(exits.map(({ share }) => share))).toBeCloseTo(1, 12);
        expect(total(exits.map((exit) => exit.share * (exit.accuracy ?? 0)))).toBeCloseTo(accuracy, 12);
        expect(total(exits.map((exit) => exit.share * exit.costMacs))).toBeCloseTo(costMacs.mean, 8);
        expect(total(classes.map((one) => one.samples))).toBe(samples);
        expect(total(classes.map((one) => one.samples * (one.accuracy ?? 0)))).toBeCloseTo(samples * accuracy, 10);
        for (const { exitShares } of classes) if (exitShares) expect(total(exitShares)).toBeCloseTo(1, 12);
      }),
    );
  });

  test("leaving always at the last exit is the plain network", () => {
    fc.assert(
      fc.property(arbitraryDecisions, (random) => {
        const exits = random.exits.map(() => random.table.exits - 1);
        const figures = evaluateExits({ ...random, exits });
        const last = figures.exits.at(-1)!;
        expect(figures.accuracy).toBe(last.accuracyIfAlways);
        expect(figures.costMacs.mean).toBe(last.costMacs);
        expect([last.share, figures.savings, figures.depthSavings]).toEqual([1, 0, 0]);
      }),
    );
  });

  test("intervals contain the figure", () => {
    fc.assert(
      fc.property(arbitraryDecisions, (random) => {
        const { accuracy, costMacs, savings, effectiveness, intervals, classes } = evaluateExits(random);
        const points = { accuracy, costMacs: costMacs.mean, savings, effectiveness };
        for (const name of ["accuracy", "costMacs", "savings", "effectiveness"] as const) {
          expect(intervals[name][0]).toBeLessThanOrEqual(points[name]);
          expect(intervals[name][1]).toBeGreaterThanOrEqual(points[name]);
        }
        for (const one of classes) {
          if (one.accuracy === null) continue;
          expect(one.accuracyInterval![0]).toBeLessThanOrEqual(one.accuracy);
          expect(one.accuracyInterval![1]).toBeGreaterThanOrEqual(one.accuracy);
        }
      }),
    );
  });
});

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** The table by hand, so many times over. */
function repeat(times: number) {
  return {
    ...TABLE,
    logits: Float32Array.from(
      { length: times * TABLE.logits.length },
      (_, i) => TABLE.logits[i % TABLE.logits.length]!,
    ),
    labels: Uint16Array.from({ length: times * 4 }, (_, i) => TABLE.labels[i % 4]!),
    count: times * 4,
  };
}
