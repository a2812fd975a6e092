import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { input, type Shape } from "../../src/graph/tensor.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import { blueprintNames, builtInBlueprint } from "../../src/network/blueprints.ts";
import { blueprintStages, networkCost } from "../../src/network/cost.ts";
import { buildStages } from "../../src/network/staged-network.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { expectClose, runOnce } from "../graph/check.ts";

const CLASSES = ["a", "b", "c"];

function costs(name: string, channels: number, side: number) {
  return networkCost(blueprintStages(builtInBlueprint(name, [channels, side, side]), 10));
}

describe.each(blueprintNames)("%s", (name) => {
  const usual = costs(name, 3, 32);

  test.each([
    [3, 16],
    [1, 31],
    [3, 48],
    [3, 63],
    [3, 64],
    [1, 64],
    [3, 97],
    [3, 128],
    [3, 224],
  ])("each exit keeps its share of the cost: %d channels, %d pixels", (channels, side) => {
    const { exitMacs, fullMacs } = costs(name, channels, side);
    for (const [k, macs] of exitMacs.entries())
      expect(Math.abs(macs / fullMacs - usual.exitMacs[k]! / usual.fullMacs), `exit ${k + 1}`).toBeLessThan(0.13);
    expect(fullMacs).toBeLessThan(3.7 * usual.fullMacs); // what the network sees has at most 56x56 pixels
  });

  // Odd sides, one channel, every number of halvings: as it is trained and as it is used.
  test.each([[[1, 17, 17]], [[3, 16, 21]], [[3, 57, 57]], [[1, 114, 113]]] as const)(
    "pictures of %j: both layouts give the same logits",
    async (shape) => {
      const network = untrainedNetwork(builtInBlueprint(name, shape), CLASSES, 3);
      const batch: Shape = [2, ...shape];
      const random = seededRandom(1);
      const images = Float32Array.from({ length: 2 * shape[0] * shape[1] * shape[2] }, () => normal(random));
      const logits = async (layout: "batchFirst" | "batchLast") => {
        const built = buildStages(network, [input("images", batch)], layout);
        const named = Object.fromEntries(built.map((one, k) => [`exit${k + 1}`, one.logits]));
        return Object.values(await runOnce(named, { images })).map((one) => one!);
      };
      const [first, last] = [await logits("batchFirst"), await logits("batchLast")];
      expect(first).toHaveLength(network.stages.length);
      for (const [k, one] of first.entries()) {
        const scale = Math.max(...one.map(Math.abs));
        expect(scale).toBeGreaterThan(1e-3);
        // Winograd's rounding adds up over at most twenty layers: 1e-5 of the largest was seen.
        expectClose(
          last[k]!.map((value) => value / scale),
          one.map((value) => value / scale),
          2e-4,
          `exit ${k + 1}`,
        );
      }
    },
  );
});

test.each([
  [[3, 15, 15], "found 3x15x15"],
  [[3, 225, 64], "found 3x225x64"],
  [[2, 32, 32], "found 2x32x32"],
] as const)("pictures of %j are refused", (shape, message) => {
  expect(() => builtInBlueprint("compact", shape)).toThrow(UserError);
  expect(() => builtInBlueprint("compact", shape)).toThrow(message);
});
