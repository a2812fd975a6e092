import { describe, expect, test } from "vitest";
import { epochOrder } from "../../src/dataset/batches.ts";
import { UserError } from "../../src/errors.ts";
import { type PrunedOrder, type PruningOptions, prunedOrder } from "../../src/training/pruning.ts";

const options: PruningOptions = { count: 103, batchSize: 10, steps: 100, seed: 3, ratio: 0.5, until: 0.8 };
/** Images 0 to 69 are easy, the others hard: the mean lies between. */
const lossOf = (image: number): number => (image < 70 ? 0.1 : 1) + image / 1e4;

/** Takes the next steps. @returns what each saw */
function take(order: PrunedOrder, from: number, to: number) {
  return Array.from({ length: to - from }, (_, i) => {
    const seen = order.at(from + i)!;
    order.tell(from + i, Float32Array.from(seen.indices, lossOf));
    return { ...seen, indices: [...seen.indices] };
  });
}

describe("a pass", () => {
  test("the first one takes all images in the order that they have without pruning", () => {
    const steps = take(prunedOrder(options), 0, 10);
    expect(steps.flatMap(({ indices }) => indices)).toEqual([...epochOrder(3, 0, 103).subarray(0, 100)]);
    for (const { epoch, weights } of steps) expect([epoch, ...weights]).toEqual([0, ...Array(10).fill(1)]);
  });

  test("a later one takes every hard image once, about half of the easy ones, and those count double", () => {
    const steps = take(prunedOrder(options), 0, 17).filter(({ epoch }) => epoch === 1);
    const seen = steps.flatMap(({ indices, weights }) => indices.map((image, i) => ({ image, weight: weights[i]! })));
    expect(new Set(seen.map(({ image }) => image)).size).toBe(seen.length); // none twice
    const hard = seen.filter(({ image }) => image >= 70);
    expect(hard.length).toBeGreaterThan(26); // of 33, but for the left-over of a pass that is no whole batch
    const never = epochOrder(3, 0, 103).subarray(100); // not seen in the first pass, so not known to be easy
    const light = Math.min(...seen.map(({ weight }) => weight));
    for (const { image, weight } of seen)
      expect(weight / light).toBeCloseTo(image < 70 && !never.includes(image) ? 2 : 1, 6);
    const mean = seen.reduce((sum, { weight }) => sum + weight, 0) / seen.length;
    expect(Math.abs(mean - 1)).toBeLessThan(0.15); // about 37 of 70 coins fell heads, standard deviation 4
    expect(seen.length - hard.length).toBeGreaterThan(20);
    expect(seen.length - hard.length).toBeLessThan(50);
  });

  test("over many passes every image weighs the same", () => {
    const total = new Float64Array(103);
    const last = take(prunedOrder({ ...options, steps: 4000, until: 1 }), 0, 4000).map(
      ({ indices, weights, epoch }) => {
        for (const [i, image] of indices.entries()) total[image]! += weights[i]!;
        return epoch;
      },
    );
    const passes = last.at(-1)! + 1;
    expect(passes).toBeGreaterThan(550); // 400 without pruning
    // each easy image: a sum of about 570 draws of 0 or twice the same, standard deviation 570 / sqrt(570) = 4%
    const mean = total.reduce((a, b) => a + b) / 103;
    for (const sum of total) expect(Math.abs(sum / mean - 1)).toBeLessThan(0.2);
  });

  test("the last ones take all again", () => {
    const steps = take(prunedOrder(options), 0, 100);
    const passOf80 = steps[80]!.epoch;
    for (const { epoch, weights } of steps.slice(80))
      if (epoch > passOf80) expect([...weights]).toEqual(Array(10).fill(1));
    expect(steps.at(-1)!.epoch).toBeGreaterThan(passOf80);
  });

  test("all images where what is left would be no batch", () => {
    const steps = take(prunedOrder({ ...options, count: 10, ratio: 0.9 }), 0, 5);
    for (const { weights } of steps) expect([...weights]).toEqual(Array(10).fill(1));
    expect(steps.at(-1)!.epoch).toBe(4);
  });
});

describe("the next pass", () => {
  test("is not decided before all losses of this one are told", () => {
    const order = prunedOrder(options);
    take(order, 0, 9);
    expect(order.at(9)).not.toBeNull();
    expect(order.at(10)).toBeNull();
    order.tell(9, Float32Array.from(order.at(9)!.indices, lossOf));
    expect(order.at(10)).not.toBeNull();
  });

  test.each([1, 10, 14, 30, 99])("goes on after %d steps as if nothing had happened", (step) => {
    const whole = take(prunedOrder(options), 0, 100);
    const first = prunedOrder(options);
    take(first, 0, step);
    const state = first.state();
    take(first, step, Math.min(100, step + 3)); // changes nothing in what was saved
    expect(take(prunedOrder({ ...options, resumeFrom: { step, state } }), step, 100)).toEqual(whole.slice(step));
  });
});

test("a state of another training is refused", () => {
  const state = prunedOrder({ ...options, count: 50 }).state();
  const other = () => prunedOrder({ ...options, resumeFrom: { step: 4, state } });
  expect(other).toThrow(UserError);
  expect(other).toThrow("checkpoint: pruning.losses of 103 numbers expected, found 50; start without --resume");
  expect(() => prunedOrder({ ...options, resumeFrom: { step: 4, state: new Map() } })).toThrow("found none");
});
