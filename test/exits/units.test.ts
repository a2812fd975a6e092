/** Costs need not be MACs: what is recorded, and what budgets mean then. */
import { beforeAll, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { costsOf } from "../../src/exits/table-file.ts";
import { modelFiles, tablePolicyFiles } from "../../src/model/model.ts";
import { readModel, readTablePolicy } from "../../src/model/read-model.ts";
import type { LearnedPolicy } from "../../src/policy/learned-policy.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { evaluateTable, learnFromTable, pointWithin } from "../../src/story/node.ts";
import { handMadeAgent, modelOf } from "../inference/small.ts";
import { plainModel } from "../network/small.ts";
import { COSTS, syntheticTable } from "../policy/synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });
const table = syntheticTable(600, 1);
const held = { table: syntheticTable(800, 2), dataset: { name: "t", split: "test", sha256: "0" } };
const OPTIONS = { steps: 150, selectEvery: 150, seed: 1 };
const classes = Array.from({ length: 10 }, (_, k) => String(k));
/** Proportional to the MACs of `COSTS`. */
const MILLIJOULES = COSTS.exitMacs.map((macs) => macs / 1e8);

const learn = (costs: readonly number[], costUnit: string) =>
  learnFromTable({ table, costs: costsOf(costs, 4, "t"), costUnit, splitSeed: 1, runtime, options: OPTIONS });

let policy: LearnedPolicy;
beforeAll(async () => {
  policy = await learn(MILLIJOULES, "mJ");
}, 120_000);

test("the unit changes the numbers of the costs and nothing of the decisions", async () => {
  const inMacs = await learn(COSTS.exitMacs, "MACs");
  const [a, b] = await Promise.all(
    [policy, inMacs].map((one) => evaluateTable({ ...held, policy: one, classes, splitSeed: 1, runtime, lambda: 0.1 })),
  );
  expect(a!.costUnit).toBe("mJ");
  expect(b!.costUnit).toBe("MACs");
  expect(a!.exits.map(({ share }) => share)).toEqual(b!.exits.map(({ share }) => share));
  expect(a!.costMacs.mean * 1e8).toBeCloseTo(b!.costMacs.mean, 0);
  expect(a!.yardsticks).toHaveLength(12);
});

test("another price list leads to other decisions", async () => {
  const flat = await learn([0.97, 0.98, 0.99, 1], "mJ"); // going on is nearly free
  const [steep, nearlyFree] = await Promise.all(
    [policy, flat].map(async (one) => {
      const { exits, yardsticks } = await evaluateTable({
        ...held,
        policy: one,
        classes,
        splitSeed: 1,
        runtime,
        lambda: 0.5,
      });
      return { first: exits[0]!.share, optimal: yardsticks.find(({ name }) => name === "optimal")!.accuracy };
    }),
  );
  expect(steep!.first - nearlyFree!.first).toBeGreaterThan(0.2);
  expect(nearlyFree!.optimal - steep!.optimal).toBeGreaterThan(0.02);
});

test("a budget is in the policy's unit", () => {
  const middle = policy.calibration[30]!;
  const first = policy.calibration.find(({ meanMacs }) => meanMacs <= middle.meanMacs)!;
  expect(pointWithin(policy, { kind: "cost", cost: middle.meanMacs })).toEqual(first);
  expect(() => pointWithin(policy, { kind: "macs", macs: 1e8 })).toThrow(
    "budget: one in mJ expected (the unit of this policy's costs), found one in MACs",
  );
  expect(() => pointWithin(policy, { kind: "cost", cost: 0.01 })).toThrow(UserError);
  expect(() => pointWithin(policy, { kind: "cost", cost: 0.01 })).toThrow(/at least 0\.\d+ mJ expected/);
  const { costUnit: _, ...inMacs } = policy;
  expect(pointWithin(inMacs, { kind: "macs", macs: middle.meanMacs })).toEqual(first);
});

test("a model folder records the unit; one without it counts MACs", async () => {
  const model = modelOf(handMadeAgent());
  const read = (files: Map<string, Uint8Array>) => readModel(async (name) => files.get(name) ?? null, "m");
  expect((await read(modelFiles(model))).policy!.costUnit).toBeUndefined();
  const inJoules = { ...model, policy: { ...model.policy, costUnit: "mJ" } };
  const files = modelFiles(inJoules);
  expect(JSON.parse(new TextDecoder().decode(files.get("model.json"))).policy.costUnit).toBe("mJ");
  const named = { ...inJoules, policy: { ...inJoules.policy, network: model.network.sha256 } };
  expect(plainModel(await read(files))).toEqual(plainModel({ ...named, figures: undefined }));
});

test("a policy folder comes back as it was", async () => {
  const whole = {
    policy,
    dataset: { name: "t.safetensors", sha256: "ab" },
    seed: 3,
    version: "0.1.0",
    figures: { a: 1 },
  };
  const files = tablePolicyFiles(whole);
  expect([...files.keys()]).toEqual(["policy.safetensors", "validation.safetensors", "policy.json"]);
  const read = (from: Map<string, Uint8Array>) => readTablePolicy(async (name) => from.get(name) ?? null, "p");
  expect(await read(files)).toEqual(whole);
  const missing = new Map(files);
  missing.delete("policy.json");
  await expect(read(missing)).rejects.toThrow("p: a policy folder with policy.json expected, found none");
  const foreign = new Map(files).set(
    "validation.safetensors",
    modelFiles(modelOf(handMadeAgent())).get("validation.safetensors")!,
  );
  await expect(read(foreign)).rejects.toThrow(UserError);
});

test("too small a table is refused", async () => {
  const small = syntheticTable(49, 1);
  await expect(
    learnFromTable({ table: small, costs: COSTS, costUnit: "MACs", splitSeed: 1, runtime, options: OPTIONS }),
  ).rejects.toThrow("learn: at least 50 images expected, found 49");
});
