/** Compares an operator, and every gradient that `gradients` writes for it, with a float64 reference. */

import { expect } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { input, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { normal, permutation, type Random, seededRandom, uniform } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program, type ProgramOptions, type Values } from "../../src/runtime/program.ts";
import { STANDARD_OPERATORS } from "./operators.ts";
import type { Dense } from "./reference.ts";

/**
 * float32 carries 6e-8 of each value; the longest sums here have 700 terms of size 1, which may add up to 4e-5 but
 * usually to the root of that, 2e-6. Wrong formulas are wrong by 1e-2 and more.
 */
export const TOLERANCE = 1e-5;

/** Step of the central differences: their own error, step^2 f''' / 6, is then below 1e-8, and rounding below 1e-11. */
const STEP = 1e-4;

/** Where an operator's inputs come from. */
export type Draw = (random: Random, size: number) => Float32Array;

/** Standard normal numbers. */
export const anywhere: Draw = (random, size) => Float32Array.from({ length: size }, () => normal(random));
/** 0.5 to 2: for logarithms, roots and divisors. */
export const positive: Draw = (random, size) => Float32Array.from({ length: size }, () => 0.5 + 1.5 * uniform(random));
/** 0.1 to 2 on either side of zero: for functions with a kink there. */
export const awayFromZero: Draw = (random, size) =>
  Float32Array.from({ length: size }, () => (0.1 + 1.9 * uniform(random)) * (uniform(random) < 0.5 ? -1 : 1));
/** No two within 0.05: for the largest of several. */
export const distinct: Draw = (random, size) =>
  Float32Array.from(permutation(random, size), (place) => (place - size / 2) * 0.05);

export interface OperatorCase {
  readonly graph: (...inputs: Tensor[]) => Tensor;
  readonly reference: (...inputs: Dense[]) => Dense;
  readonly shapes: readonly Shape[];
  /** One for all inputs, or one for each. Default: anywhere. */
  readonly draw?: Draw | readonly Draw[];
  readonly tolerance?: number;
}

/** The value, and d(loss)/d(each input) for loss = sum of output * fixed random numbers, by central differences. */
export async function checkValueAndGradients(operator: OperatorCase): Promise<void> {
  const { graph, reference, tolerance = TOLERANCE } = operator;
  const random = seededRandom(7, operator.shapes.length);
  const data = drawInputs(operator, random);
  const denseInputs = data.map((values, i) => ({ shape: operator.shapes[i]!, data: Float64Array.from(values) }));
  const expected = reference(...denseInputs);
  const projection = anywhere(random, expected.data.length);

  const inputs = operator.shapes.map((shape, i) => input(`x${i}`, shape));
  const y = graph(...inputs);
  expect(y.shape, "shape of the value").toEqual(expected.shape);
  const slopes = gradients(reduceSum(multiply(y, input("projection", y.shape))), inputs);
  slopes.forEach((slope, i) => {
    expect(slope.shape, `shape of gradient ${i}`).toEqual(operator.shapes[i]);
  });

  const feeds = Object.fromEntries(data.map((values, i) => [`x${i}`, values]));
  const outputs = Object.fromEntries(slopes.map((slope, i) => [`d${i}`, slope]));
  const found = await runOnce({ y, ...outputs }, { ...feeds, projection });
  expectClose(found.y!, expected.data, tolerance, "value");
  slopes.forEach((_, i) => {
    const slope = centralDifferences(reference, denseInputs, i, projection);
    expect(
      slope.some((value) => Math.abs(value) > 1e-3),
      `gradient ${i} that is not zero everywhere`,
    ).toBe(true);
    expectClose(found[`d${i}`]!, slope, tolerance, `gradient ${i}`);
  });
}

/** The value alone, of an operator that has no gradient: `gradients` must say so. */
export async function checkValueWithoutGradient(operator: OperatorCase): Promise<void> {
  const { graph, reference, tolerance = TOLERANCE } = operator;
  const data = drawInputs(operator, seededRandom(7, operator.shapes.length));
  const inputs = operator.shapes.map((shape, i) => input(`x${i}`, shape));
  const y = graph(...inputs);
  const expected = reference(
    ...data.map((values, i) => ({ shape: operator.shapes[i]!, data: Float64Array.from(values) })),
  );
  expect(y.shape, "shape of the value").toEqual(expected.shape);
  const { y: found } = await runOnce({ y }, Object.fromEntries(data.map((values, i) => [`x${i}`, values])));
  expectClose(found!, expected.data, tolerance, "value");
  expect(() => gradients(reduceSum(y), [inputs[0]!])).toThrow("does not depend on target 0");
}

function drawInputs({ shapes, draw = anywhere }: OperatorCase, random: Random): Float32Array[] {
  return shapes.map((shape, i) => {
    const own = typeof draw === "function" ? draw : draw[i]!;
    return own(
      random,
      shape.reduce((product, size) => product * size, 1),
    );
  });
}

function centralDifferences(
  reference: OperatorCase["reference"],
  inputs: readonly Dense[],
  which: number,
  projection: Float32Array,
): Float64Array {
  const moved = inputs.map(({ shape, data }) => ({ shape, data: data.slice() }));
  const { data } = moved[which]!;
  const loss = (): number => reference(...moved).data.reduce((total, value, i) => total + value * projection[i]!, 0);
  return data.map((value, i) => {
    data[i] = value + STEP;
    const above = loss();
    data[i] = value - STEP;
    const below = loss();
    data[i] = value;
    return (above - below) / (2 * STEP);
  });
}

/** Each |found - expected| at most `tolerance`, relative where |expected| is above 1. */
export function expectClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = "value",
): void {
  expect(found.length, `count of ${what}`).toBe(expected.length);
  let [worst, where] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(found[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(distance <= worst)) [worst, where] = [distance, i]; // NaN is the worst
  }
  expect(worst, `${what} at ${where}: ${expected[where]} expected, ${found[where]} found`).toBeLessThanOrEqual(
    tolerance,
  );
}

/** `EARLYEXIT_DEVICE=webgpu npx vitest run test/graph` asks another device for the same answers. */
const runtime = createNodeRuntime({ threads: 1, device: process.env.EARLYEXIT_DEVICE ?? "cpu" });

/** Compiles, runs and closes. Every graph of the tests is made of the agreed operators. */
export async function runOnce(
  outputs: Readonly<Record<string, Tensor>>,
  feeds: Readonly<Record<string, Float32Array>>,
  options: ProgramOptions & { readonly step?: number } = {},
): Promise<Values> {
  const { step = 0, ...programOptions } = options;
  const program = await Program.compile(runtime, { outputs }, programOptions);
  expect(program.operators.filter((operator) => !STANDARD_OPERATORS.includes(operator))).toEqual([]);
  const values = await program.run(feeds, step);
  await program.close();
  return values;
}
