import { expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { learnOnTable } from "../../src/policy/learn.ts";
import { checkLearnable } from "../../src/policy/learnable.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { COSTS, syntheticTable } from "./synthetic.ts";

const table = () => syntheticTable(200, 1);
const runtime = createNodeRuntime({ threads: 1 });
const OPTIONS = { steps: 40, warmup: 20, selectEvery: 20, seed: 1 };

test.each([Number.NaN, Number.POSITIVE_INFINITY])(
  "a logit of %s is refused before anything is learned, with its place",
  async (value) => {
    const given = table();
    given.logits[(3 * 4 + 2) * 10 + 5] = value; // image 3, the third of 4 exits, of 10 classes
    const learning = learnOnTable({
      table: given,
      costs: COSTS,
      costUnit: "MACs",
      splitSeed: 1,
      runtime,
      options: OPTIONS,
    });
    await expect(learning).rejects.toThrow(UserError);
    await expect(learning).rejects.toThrow(`learn: finite logits expected, found ${value} at image 3, exit 3;`);
  },
);

test.each([
  [[3, 2, 1, 4]],
  [[1, 1, 2, 3]],
  [[0, 1, 2, 3]],
  [[1, Number.NaN, 2, 3]],
  [[1, 2, 3, Number.POSITIVE_INFINITY]],
  [[1, 2, 3]],
])("costs of %s are refused", (exitMacs) => {
  expect(() => checkLearnable(table(), { exitMacs, fullMacs: 4 }, "learn")).toThrow(UserError);
});

test("a label that is no class, and a full cost that is no number", () => {
  const given = table();
  given.labels[7] = 10;
  expect(() => checkLearnable(given, COSTS, "learn")).toThrow("labels of 0 to 9 expected, found 10 at image 7");
  expect(() => checkLearnable(table(), { ...COSTS, fullMacs: Number.NaN }, "learn")).toThrow(
    "above 0 expected, found 4 and NaN",
  );
  expect(() => checkLearnable(table(), COSTS, "learn")).not.toThrow();
});

test("a rate that makes no numbers of the agent is the user's mistake, not an agent", async () => {
  const options = { ...OPTIONS, learningRate: 1e38 };
  const learning = learnOnTable({ table: table(), costs: COSTS, costUnit: "MACs", splitSeed: 1, runtime, options });
  await expect(learning).rejects.toThrow(UserError);
});
