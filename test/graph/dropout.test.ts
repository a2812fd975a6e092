import { describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { dropout } from "../../src/graph/dropout.ts";
import { multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { constant, input, type Shape, sizeOf } from "../../src/graph/tensor.ts";
import { fillUniform, seededRandom } from "../../src/random.ts";
import { anywhere, runOnce } from "./check.ts";

const RATE = 0.3;
/** [H, W, C, B] */
const SHAPE: Shape = [6, 7, 5, 8];
const KEPT = Math.fround(1 / (1 - RATE));

/** What dropout makes of ones: 0 or 1 / (1 - rate). */
async function maskOf(whole: "values" | "channels", seed: number, step: number): Promise<Float32Array> {
  const x = constant(new Float32Array(sizeOf(SHAPE)).fill(1), SHAPE);
  const { mask } = await runOnce({ mask: dropout(x, RATE, "coins", whole) }, {}, { seed, step });
  return mask!;
}

describe.each(["values", "channels"] as const)("dropout of %s", (whole) => {
  test("keeps a value where its coin, the runtime's random number, is at least the rate", async () => {
    const coins = new Float32Array(whole === "values" ? sizeOf(SHAPE) : 5 * 8);
    fillUniform(seededRandom(11, 4, 0), coins);
    const mask = await maskOf(whole, 11, 4);
    // "channels": one coin for all pixels of a channel of an image, which are C B values apart
    expect(mask).toEqual(mask.map((_, i) => (coins[i % coins.length]! >= Math.fround(RATE) ? KEPT : 0)));
  });

  test("sends the gradient through the same mask", async () => {
    const x = input("x", SHAPE);
    const y = dropout(x, RATE, "coins", whole);
    const projection = anywhere(seededRandom(1), sizeOf(SHAPE));
    const [dx] = gradients(reduceSum(multiply(y, constant(projection, SHAPE))), [x]);
    const values = anywhere(seededRandom(2), sizeOf(SHAPE));
    const found = await runOnce({ y, dx: dx! }, { x: values }, { seed: 5 });
    const mask = await maskOf(whole, 5, 0);
    expect(found.y).toEqual(mask.map((kept, i) => kept * values[i]!));
    expect(found.dx).toEqual(mask.map((kept, i) => kept * projection[i]!));
  });

  test("is decided by seed and step", async () => {
    const mask = await maskOf(whole, 1, 2);
    expect(await maskOf(whole, 1, 2)).toEqual(mask);
    expect(await maskOf(whole, 1, 3)).not.toEqual(mask);
    expect(await maskOf(whole, 2, 2)).not.toEqual(mask);
  });
});

test("drops the stated share, and keeps the mean", async () => {
  const count = 40_000;
  const x = constant(new Float32Array(count).fill(1), [count]);
  const { y } = await runOnce({ y: dropout(x, RATE, "coins") }, {});
  const dropped = y!.filter((value) => value === 0).length / count;
  // Four standard deviations of a share of 40,000 coins: 4 sqrt(0.3 * 0.7 / 40,000) = 0.0092.
  expect(Math.abs(dropped - RATE)).toBeLessThan(0.0092);
  expect(Math.abs(y!.reduce((total, value) => total + value) / count - 1)).toBeLessThan(0.0092 * KEPT);
});

test("two dropouts of one graph have masks of their own", async () => {
  const x = constant(new Float32Array(200).fill(1), [200]);
  const { a, b } = await runOnce({ a: dropout(x, 0.5, "first"), b: dropout(x, 0.5, "second") }, {});
  const equal = a!.filter((value, i) => value === b![i]).length;
  // Half of 200 coin pairs agree, give or take four standard deviations of 7.
  expect(Math.abs(equal - 100)).toBeLessThan(29);
});

test("at rate 0 nothing is dropped and no random numbers are drawn", () => {
  const x = input("x", [2, 3]);
  expect(dropout(x, 0, "coins")).toBe(x);
});
