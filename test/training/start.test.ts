import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { startOf } from "../../src/training/start.ts";
import { weightsOf } from "../network/small.ts";
import { dataset, smallBlueprint, smallRecipe, train } from "./small.ts";

const blueprint = smallBlueprint(0);
const learned = await train({ blueprint, recipe: smallRecipe({ epochs: 1 }) });
const { normalisation } = learned.description as unknown as { normalisation: { mean: number[]; std: number[] } };
const from = {
  name: "learned",
  sha256: learned.sha256,
  weights: weightsOf(learned),
  normalisation,
  classes: learned.classes,
};
const others = { ...dataset, classes: ["a", "b", "c", "d", "e"] };

describe("a training that starts from a network", () => {
  test("of the same classes takes all of it, and its normalisation", async () => {
    const start = await startOf(blueprint, dataset, dataset.train!, from);
    expect(start.weights).toEqual(from.weights);
    expect(start.normalisation).toEqual(normalisation);
  });

  test("of other classes begins the last layers of the heads anew", async () => {
    const start = await startOf(blueprint, others, dataset.train!, from);
    const last = ["stages.0.head.1", "stages.1.head.2"].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]);
    expect([...from.weights.keys()].filter((name) => !start.weights.has(name)).sort()).toEqual(last.sort());
    const renamed = { ...dataset, classes: [...dataset.classes].reverse() };
    expect([...(await startOf(blueprint, renamed, dataset.train!, from)).weights.keys()]).toEqual([
      ...start.weights.keys(),
    ]);
  });

  test("of other pictures' size takes the same: convolutions do not depend on it", async () => {
    const larger = { ...blueprint, input: [2, 12, 12] as [number, number, number] };
    expect((await startOf(larger, dataset, dataset.train!, from)).weights).toEqual(from.weights);
  });

  test("trains on from there: the first loss is that of the network, not that of guessing", async () => {
    const long = await train({ blueprint, recipe: smallRecipe({ epochs: 30 }) });
    const losses: number[] = [];
    const options = {
      blueprint,
      recipe: smallRecipe({ epochs: 0.25 }),
      onProgress: (one: { loss: number }) => losses.push(one.loss),
    };
    await train(options);
    await train({ ...options, from: { ...from, weights: weightsOf(long) } });
    expect(losses).toHaveLength(2);
    expect(losses[0]).toBeGreaterThan(1.2); // ln 4 = 1.39
    expect(losses[1]).toBeLessThan(0.7 * losses[0]!);
  });

  test("of another blueprint is refused with what it would give", async () => {
    const stages = blueprint.stages.map((stage) => ({
      ...stage,
      layers: [{ type: "conv" as const, channels: 40 }, ...stage.layers],
    }));
    const other = startOf({ ...blueprint, stages }, dataset, dataset.train!, from);
    await expect(other).rejects.toThrow(UserError);
    await expect(other).rejects.toThrow(
      /^from: a network of which small can take over at least half expected, found learned, which gives \d+ of \d+ numbers/,
    );
  });
});
