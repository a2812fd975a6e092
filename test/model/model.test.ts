import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { decodeSafetensors, encodeSafetensors, type StoredArray } from "../../src/files/safetensors.ts";
import { type Model, modelFiles, readModel } from "../../src/model/model.ts";
import { loadModel, saveModel } from "../../src/model/model-folder.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import { builtInBlueprint } from "../../src/network/blueprints.ts";
import { blueprintStages, networkCost } from "../../src/network/cost.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import { policyMacs } from "../../src/policy/q-network.ts";
import { handMadeAgent, modelOf, network } from "../inference/small.ts";
import { plainModel, plainNetwork } from "../network/small.ts";

const whole: Model = { ...modelOf(handMadeAgent()), figures: { accuracy: 0.875, exits: [{ share: 1 / 3 }] } };
const files = modelFiles(whole);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (value: string): Uint8Array => new TextEncoder().encode(value);

const read = (from: ReadonlyMap<string, Uint8Array>) =>
  readModel(async (name) => from.get(name) ?? null, "models/mine");

/** The files with one changed or, if null, missing. */
const changed = (name: string, bytes: Uint8Array | null): Map<string, Uint8Array> => {
  const result = new Map(files);
  if (bytes) result.set(name, bytes);
  else result.delete(name);
  return result;
};

type Json = Record<string, unknown> & { policy: Record<string, unknown> };

function withJson(change: (json: Json) => void): Map<string, Uint8Array> {
  const json = JSON.parse(text(files.get("model.json")!)) as Json;
  change(json);
  return changed("model.json", bytesOf(JSON.stringify(json)));
}

function withArrays(name: string, change: (arrays: Map<string, StoredArray>) => void): Map<string, Uint8Array> {
  const arrays = decodeSafetensors(files.get(name)!, name);
  change(arrays);
  return changed(name, encodeSafetensors(arrays));
}

describe("a model as files", () => {
  test("comes back as it was, and gives the same bytes again", async () => {
    expect([...files.keys()]).toEqual([
      "network.safetensors",
      "policy.safetensors",
      "validation.safetensors",
      "model.json",
    ]);
    const model = await read(files);
    expect(plainModel(model)).toEqual(plainModel(whole));
    expect(modelFiles(model)).toEqual(files);
  });

  test("so does a network without a policy", async () => {
    const bare = modelFiles({ network, policy: null });
    expect([...bare.keys()]).toEqual(["network.safetensors", "model.json"]); // model.json vouches for the others: last
    const model = await read(bare);
    expect(plainNetwork(model.network)).toEqual(plainNetwork(network));
    expect(model.policy).toBeNull();
    expect(model.figures).toBeUndefined();
    expect(modelFiles(model)).toEqual(bare);
  });

  test("a policy from before exits looked at the answers before reads as one that gives them no weight", async () => {
    const model = await read(withJson(({ policy }) => delete policy.priorWeights));
    expect(model.policy!.agent.priorWeights).toEqual([0, 0, 0]);
  });

  test("arrays are in the safetensors files and nowhere else", () => {
    expect(files.get("model.json")!.length).toBeLessThan(8000);
    const arrays = decodeSafetensors(files.get("validation.safetensors")!, "x");
    expect(arrays.get("labels")!.data).toEqual(Int32Array.of(0, 1, 2, 3, 0));
    expect(arrays.get("logits")!.shape).toEqual([5, 3, 4]);
  });
});

test("exits cost their network and one decision at each exit but the last", () => {
  const blueprint = builtInBlueprint("tiny");
  const classes = Array.from("0123456789");
  const { exitMacs, fullMacs } = networkCost(blueprintStages(blueprint, 10));
  // one-hot 4, cost 1, 4 exits of 7 features, lambda; dueling has one more output
  const decision = 34 * 16 + 16 * 2 + 16;
  expect(policyMacs(4, 10, [16], true)).toBe(decision);
  expect(exitCosts(untrainedNetwork(blueprint, classes), { hidden: [16], dueling: true })).toEqual({
    exitMacs: exitMacs.map((macs, k) => macs + [1, 2, 3, 3][k]! * decision),
    fullMacs,
  });
});

describe("files that are not a model are the user's mistake", () => {
  const cases: [string, Map<string, Uint8Array>, string][] = [
    ...[...files.keys()].map((name): [string, Map<string, Uint8Array>, string] => [
      `no ${name}`,
      changed(name, null),
      `models/mine: a model folder with ${name} expected, found none`,
    ]),
    ...[...files.keys()].map((name): [string, Map<string, Uint8Array>, string] => [
      `${name} cut short`,
      changed(name, files.get(name)!.slice(0, -7)),
      `models/mine/${name}: `,
    ]),
    ...[...files.keys()].map((name): [string, Map<string, Uint8Array>, string] => [
      `${name} empty`,
      changed(name, new Uint8Array()),
      `models/mine/${name}: `,
    ]),
    ["no JSON", changed("model.json", bytesOf("<html>")), 'model.json: JSON expected, found "<html>"'],
    ["a format to come", withJson((json) => (json.format = 2)), "found at format: "],
    ["one class", withJson((json) => (json.classes = ["cat"])), "found at classes: "],
    ["no blueprint", withJson((json) => delete json.blueprint), "found at blueprint: "],
    ["no policy field", withJson((json) => delete (json as Record<string, unknown>).policy), "found at policy: "],
    ["no dueling", withJson(({ policy }) => delete policy.dueling), "found at policy.dueling: "],
    [
      "a temperature of 0",
      withJson(({ policy }) => (policy.temperatures = [1, 0, 1])),
      "found at policy.temperatures.1: ",
    ],
    [
      "too few temperatures",
      withJson(({ policy }) => (policy.temperatures = [1, 1])),
      "models/mine/model.json: 3 numbers in policy.temperatures expected, found 2",
    ],
    [
      "too many weights of priors",
      withJson(({ policy }) => (policy.priorWeights = [0, 1, 1, 1])),
      "models/mine/model.json: 3 numbers in policy.priorWeights expected, found 4",
    ],
    [
      "too many costs",
      withJson(({ policy }) => (policy.costs = { exitMacs: [1, 2, 3, 4], fullMacs: 4 })),
      "3 numbers in policy.costs.exitMacs expected, found 4",
    ],
    [
      "the normalisation of colour for two channels",
      withJson((json) => (json.normalisation = { mean: [0, 0, 0], std: [1, 1, 1] })),
      "2 numbers in normalisation.mean expected, found 3",
    ],
    [
      "no labels",
      withArrays("validation.safetensors", (arrays) => arrays.delete("labels")),
      "validation.safetensors: 5 labels expected, found none",
    ],
    [
      "no logits",
      withArrays("validation.safetensors", (arrays) => arrays.delete("logits")),
      "validation.safetensors: float32 array logits of rank 3 expected, found only labels",
    ],
    [
      "an exit table of other exits",
      withArrays("validation.safetensors", (arrays) => {
        arrays.set("logits", { shape: [5, 4, 3], data: arrays.get("logits")!.data });
      }),
      "logits of 3 exits and 4 classes expected, found 4 and 3",
    ],
    [
      "integers as weights",
      withArrays("network.safetensors", (arrays) => {
        arrays.set("stages.0.layers.0.weight", { shape: [1], data: Int32Array.of(1) });
      }),
      "network.safetensors: float32 array stages.0.layers.0.weight",
    ],
    [
      "a policy without one of its weights",
      withArrays("policy.safetensors", (arrays) => arrays.delete("hidden.1.bias")),
      "policy.safetensors: hidden.1.bias of shape [6] expected, found none",
    ],
    [
      "another policy's weights",
      withJson(({ policy }) => (policy.hidden = [8, 5])),
      "policy.safetensors: hidden.1.weight of shape [5,8] expected, found [6,8]",
    ],
  ];

  test.each(cases)("%s", async (_, from, message) => {
    const error: unknown = await read(from).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain(message);
    expect((error as UserError).message).toMatch(/^models\/mine.* expected.*, found .*; /);
  });
});

describe("a model folder", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "earlyexit-model-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  test("holds the files, byte by byte, and nothing else", async () => {
    const path = join(folder, "deep", "inside");
    await saveModel(path, whole);
    expect((await readdir(path)).sort()).toEqual([...files.keys()].sort());
    for (const [name, bytes] of files) expect(new Uint8Array(await readFile(join(path, name))), name).toEqual(bytes);
    expect(plainModel(await loadModel(path))).toEqual(plainModel(whole));
  });

  test("of a network alone keeps no older policy", async () => {
    await writeFile(join(folder, "report.html"), "mine");
    await saveModel(folder, whole);
    await saveModel(folder, { network, policy: null });
    expect((await readdir(folder)).sort()).toEqual(["model.json", "network.safetensors", "report.html"]);
    expect((await loadModel(folder)).policy).toBeNull();
  });

  test("that is not there, or is a file, is the user's mistake", async () => {
    await writeFile(join(folder, "file"), "");
    for (const name of ["nowhere", "file"]) {
      const loading = loadModel(join(folder, name));
      await expect(loading).rejects.toThrow(UserError);
      await expect(loading).rejects.toThrow(
        `${join(folder, name)}: a model folder with model.json expected, found none`,
      );
    }
  });
});
