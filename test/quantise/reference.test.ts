/** Convolutions in integers as ONNX Runtime computes them, beside plain sums of whole numbers. */
import { describe, expect, test } from "vitest";
import { add, relu } from "../../src/graph/elementwise.ts";
import { conv2d, maxPool } from "../../src/graph/inference.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import type { StagedNetwork } from "../../src/network/staged-network.ts";
import { planStage } from "../../src/quantise/plan.ts";
import { rewriteStage } from "../../src/quantise/rewrite.ts";
import { roundedToEven, type Steps, weightScales, weightSteps } from "../../src/quantise/steps.ts";
import { integer, normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";

const runtime = createNodeRuntime({ threads: 1 });
const [C, SIDE, O] = [5, 6, 7];

/** One stage whose maps [B, C, 6, 6] are handed on. */
function oneStage(layers: (x: Tensor) => Tensor): StagedNetwork {
  const build: StagedNetwork["build"] = (_, from) => ({
    handsOn: [layers(from[0]!)],
    logits: constant([0, 0], [1, 2]),
  });
  const inputs = [{ name: "image", type: "float32", shape: [C, SIDE, SIDE] }];
  return { inputs, stages: [{}], build } as unknown as StagedNetwork;
}

async function runSteps(network: StagedNetwork, steps: readonly Steps[], x: Uint8Array, largestWeight: number) {
  const plan = planStage(network, 0, 1);
  expect(plan.points).toHaveLength(steps.length);
  const [first] = steps as [Steps];
  const image = Float32Array.from(x, (step) => first.scale * (step - first.zero)); // rounds to exactly these steps
  const { handsOn } = rewriteStage(plan, {
    from: [input("image", [1, C, SIDE, SIDE])],
    kept: new Set(),
    steps: (point) => {
      const { scale, zero } = steps[point]!;
      return { scale: constant([scale], []), zero: constant([zero], [], "uint8") };
    },
    largestWeight,
    weights: "integers",
  });
  const program = await Program.compile(runtime, { outputs: { y: handsOn[0]! } });
  const { y } = await program.run<{ y: Uint8Array }>({ image });
  await program.close();
  return y;
}

/** clamp(round((sum (x - zero) w + bias) * scale_x scale_w / scale_y) + zero_y), zeros around the map. */
function reference(
  x: Uint8Array,
  weight: Float32Array,
  bias: Float32Array,
  from: Steps,
  to: Steps,
  largest: number,
): Uint8Array {
  const scales = weightScales(weight, O, largest);
  const w = weightSteps(weight, scales);
  const y = new Uint8Array(O * SIDE * SIDE);
  for (let o = 0; o < O; o++) {
    const unit = Math.fround(from.scale * scales[o]!);
    for (let i = 0; i < SIDE; i++)
      for (let j = 0; j < SIDE; j++) {
        let sum = Math.round(bias[o]! / unit);
        for (let c = 0; c < C; c++)
          for (let u = 0; u < 3; u++)
            for (let v = 0; v < 3; v++) {
              const [row, column] = [i + u - 1, j + v - 1];
              if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) continue;
              sum += (x[(c * SIDE + row) * SIDE + column]! - from.zero) * w[((o * C + c) * 3 + u) * 3 + v]!;
            }
        y[(o * SIDE + i) * SIDE + j] = Math.min(255, Math.max(0, roundedToEven((sum * unit) / to.scale) + to.zero));
      }
  }
  return y;
}

const random = seededRandom(5);
const weight = Float32Array.from({ length: O * C * 9 }, () => 0.2 * normal(random));
const bias = Float32Array.from({ length: O }, () => 0.3 * normal(random));
const x = Uint8Array.from({ length: C * SIDE * SIDE }, () => integer(random, 0, 255));
const from: Steps = { scale: Math.fround(0.02), zero: 117 };
const conv = (map: Tensor): Tensor => conv2d(map, constant(weight, [O, C, 3, 3]), { bias: constant(bias) });

/** Exact but where float32 and float64 round a tie to either side. */
function expectWithinOne(found: Uint8Array, expected: Uint8Array, share = 0.01): void {
  expect(found).toHaveLength(expected.length);
  let different = 0;
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(1);
    if (found[i] !== value) different++;
  }
  expect(different / expected.length).toBeLessThan(share);
}

describe.each([127, 63])("weights of at most %i steps", (largest) => {
  const to: Steps = { scale: Math.fround(0.04), zero: 131 };

  test("a convolution", async () => {
    const expected = reference(x, weight, bias, from, to, largest);
    expect(new Set(expected).size).toBeGreaterThan(50);
    expectWithinOne(await runSteps(oneStage(conv), [from, to], x, largest), expected);
  });

  test("a relu behind it disappears into the rounding", async () => {
    const positive: Steps = { scale: Math.fround(0.02), zero: 0 };
    const expected = reference(x, weight, bias, from, positive, largest);
    expect(expected.filter((step) => step === 0).length).toBeGreaterThan(20);
    expectWithinOne(
      await runSteps(
        oneStage((map) => relu(conv(map))),
        [from, positive],
        x,
        largest,
      ),
      expected,
    );
  });

  test("a max pool behind it takes the largest step", async () => {
    const whole = reference(x, weight, bias, from, to, largest);
    const expected = Uint8Array.from({ length: O * 9 }, (_, n) => {
      const [o, i, j] = [Math.floor(n / 9), Math.floor((n % 9) / 3), n % 3];
      const at = (u: number, v: number): number => whole[(o * SIDE + 2 * i + u) * SIDE + 2 * j + v]!;
      return Math.max(at(0, 0), at(0, 1), at(1, 0), at(1, 1));
    });
    expectWithinOne(
      await runSteps(
        oneStage((map) => maxPool(conv(map))),
        [from, to, to],
        x,
        largest,
      ),
      expected,
    );
  });

  test.each([
    ["a sum of two is the sum of what their steps stand for, rounded once", 128],
    ["a relu behind a sum disappears into its rounding", 0],
  ])("%s", async (_, zero) => {
    const sum: Steps = { scale: Math.fround(0.08), zero };
    const half: Steps = { scale: Math.fround(0.05), zero: 120 };
    const [one, other] = [to, half].map((steps) => reference(x, weight, bias, from, steps, largest)) as [
      Uint8Array,
      Uint8Array,
    ];
    const expected = one.map((step, i) => {
      const value = to.scale * (step - to.zero) + half.scale * (other[i]! - half.zero);
      return Math.min(255, Math.max(0, roundedToEven(value / sum.scale) + sum.zero));
    });
    expect(new Set(expected).size).toBeGreaterThan(50);
    const both = (map: Tensor): Tensor => add(conv(map), conv(map));
    const network = oneStage(zero === 0 ? (map) => relu(both(map)) : both);
    expectWithinOne(await runSteps(network, [from, to, half, sum], x, largest), expected, 0.05);
  });
});
