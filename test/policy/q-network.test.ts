import { expect, test } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import type { NamedArray } from "../../src/network/weights.ts";
import {
  constantParameters,
  initialQWeights,
  meanNetwork,
  meanWidths,
  policyMacs,
  qNetwork,
} from "../../src/policy/q-network.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";

const runtime = createNodeRuntime({ threads: 1 });

/** x W^T + b in float64 */
function layer(x: readonly number[], weights: ReadonlyMap<string, NamedArray>, name: string): number[] {
  const { shape, data } = weights.get(`${name}.weight`)!;
  const bias = weights.get(`${name}.bias`)!.data;
  return Array.from(bias, (b, o) => x.reduce((sum, value, i) => sum + value * data[o * shape[1]! + i]!, b));
}

test.each([true, false])("Q-values equal a float64 reference, dueling %s", async (dueling) => {
  const shape = { inputs: 9, hidden: [7, 5], dueling };
  const weights = initialQWeights(shape, 3);
  const random = seededRandom(8);
  for (const [name, { data }] of weights)
    if (name.endsWith("bias"))
      data.forEach((_, i) => {
        data[i] = normal(random);
      });
  const x = Float32Array.from({ length: 36 }, () => normal(random));
  const q = qNetwork(input("x", [1, 9]), shape, constantParameters(weights));
  const program = await Program.compile(runtime, { outputs: { q }, anyBatch: true });
  const found = (await program.run({ x })).q!;
  await program.close();
  for (let b = 0; b < 4; b++) {
    const relu = (values: number[]) => values.map((value) => Math.max(0, value));
    const hidden = relu(
      layer(relu(layer([...x.subarray(b * 9, b * 9 + 9)], weights, "hidden.0")), weights, "hidden.1"),
    );
    const [v, a] = dueling
      ? [layer(hidden, weights, "value")[0]!, layer(hidden, weights, "advantage")]
      : [0, layer(hidden, weights, "actions")];
    const mean = dueling ? (a[0]! + a[1]!) / 2 : 0;
    expect(found[b * 2]).toBeCloseTo(v + a[0]! - mean, 5);
    expect(found[b * 2 + 1]).toBeCloseTo(v + a[1]! - mean, 5);
  }
});

test.each([
  { hidden: [5], dueling: true },
  { hidden: [5, 4], dueling: false },
  { hidden: [5, 4, 3], dueling: true },
  { hidden: [], dueling: true },
])("one network gives the mean of three: %o", async ({ hidden, dueling }) => {
  const shape = { inputs: 9, hidden, dueling };
  const random = seededRandom(8);
  const members = [0, 1, 2].map((seed) => {
    const drawn = [...initialQWeights(shape, seed)].map(([name, { shape: size, data }]): [string, NamedArray] => [
      name,
      { shape: size, data: data.map(() => normal(random)) },
    ]);
    return new Map(drawn);
  });
  const x = Float32Array.from({ length: 36 }, () => normal(random));
  const valuesOf = async (weights: ReadonlyMap<string, NamedArray>, widths: readonly number[]) => {
    const q = qNetwork(input("x", [1, 9]), { ...shape, hidden: widths }, constantParameters(weights));
    const program = await Program.compile(runtime, { outputs: { q }, anyBatch: true });
    const found = (await program.run({ x })).q!;
    await program.close();
    return found;
  };
  const each = await Promise.all(members.map((one) => valuesOf(one, hidden)));
  const mean = await valuesOf(meanNetwork(members, shape), meanWidths({ hidden, members: 3 }));
  mean.forEach((value, at) => {
    const expected = each.reduce((sum, one) => sum + one[at]! / 3, 0);
    expect(Math.abs(value - expected)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected))); // values of about 10 in float32
  });
  expect(meanNetwork(members.slice(0, 1), shape)).toEqual(members[0]);
});

test("the cost of one decision, by hand", () => {
  // 4 exits, 10 classes: D = 4 + 1 + 4 * 7 + 1 = 34
  expect(policyMacs(4, 10, [64, 64], false)).toBe(34 * 64 + 64 * 64 + 64 * 2);
  expect(policyMacs(4, 10, [64, 64], true)).toBe(34 * 64 + 64 * 64 + 64 * 3);
});

test("weights of another network are refused", () => {
  const weights = initialQWeights({ inputs: 9, hidden: [7], dueling: true }, 0);
  expect(() =>
    qNetwork(input("x", [1, 8]), { inputs: 8, hidden: [7], dueling: true }, constantParameters(weights)),
  ).toThrow("q-network: weight hidden.0.weight of shape [7,8] expected, found [7,9]");
});
