import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { decodeSafetensors, encodeSafetensors, type StoredArray } from "../../src/files/safetensors.ts";
import { sealed } from "../../src/files/sealed.ts";
import { digestOf } from "../../src/files/sha256.ts";
import { type Model, modelFiles } from "../../src/model/model.ts";
import { copyModel, loadModel, loadPolicy, saveModel } from "../../src/model/model-folder.ts";
import { readModel } from "../../src/model/read-model.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import { builtInBlueprint } from "../../src/network/blueprints.ts";
import { blueprintStages, networkCost } from "../../src/network/cost.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import { validationOf } from "../../src/policy/learned-policy.ts";
import { policyMacs } from "../../src/policy/q-network.ts";
import { VERSION } from "../../src/version.ts";
import { handMadeAgent, modelOf, network, policyOf } from "../inference/small.ts";
import { plainModel, plainNetwork } from "../network/small.ts";

const made = modelOf(handMadeAgent());
const named = { ...made, policy: { network: network.sha256, ...made.policy } };
const whole: Model = { ...named, figures: { accuracy: 0.875, exits: [{ share: 1 / 3 }] } };
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

/** As a program would write it that is wrong: the seal fits. */
function withJson(change: (json: Json) => void): Map<string, Uint8Array> {
  const { sha256: _, ...json } = JSON.parse(text(files.get("model.json")!)) as Json;
  change(json as Json);
  return changed("model.json", sealed(json));
}

function withArrays(name: string, change: (arrays: Map<string, StoredArray>) => void): Map<string, Uint8Array> {
  const arrays = decodeSafetensors(files.get(name)!, name);
  change(arrays);
  const bytes = encodeSafetensors(arrays);
  return withJson((json) => ((json.files as Record<string, unknown>)[name] = digestOf(bytes))).set(name, bytes);
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

  test("a slim model is the same without its exit table, and is written and read as such", async () => {
    const slim = await readModel(async (name) => (name.startsWith("validation") ? null : files.get(name)!), "x", {
      slim: true,
    });
    expect(plainModel(slim)).toEqual(plainModel({ ...whole, policy: { ...named.policy, validation: null } }));
    const written = modelFiles(slim);
    expect([...written.keys()]).toEqual(["network.safetensors", "policy.safetensors", "model.json"]);
    expect(plainModel(await read(written))).toEqual(plainModel(slim));
    expect(() => validationOf(slim.policy!)).toThrow(
      "policy: the exit table of its validation pictures (validation.safetensors) expected, found none; load the whole model",
    );
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
    ["a format to come", withJson((json) => (json.format = 99)), "model.json: format 1 or 2 expected, found 99;"],
    [
      "a version to come",
      withJson((json) => ((json.provenance as Record<string, unknown>).version = "99.0.0")),
      `a model of earlyexit ${VERSION} or older expected, found one of 99.0.0`,
    ],
    ["a field that is not known", withJson((json) => (json.quantisation = {})), "found at the top: Unrecognized key"],
    ["one class", withJson((json) => (json.classes = ["cat"])), "found at classes: "],
    [
      "no blueprint",
      withJson((json) => delete (json.network as Record<string, unknown>).blueprint),
      "found at blueprint: ",
    ],
    ["no policy field", withJson((json) => delete (json as Record<string, unknown>).policy), "found at policy: "],
    ["no dueling", withJson(({ policy }) => delete policy.dueling), "found at policy.dueling: "],
    [
      "a temperature of 0",
      withJson(({ policy }) => (policy.temperatures = [1, 0, 1])),
      "found at policy.temperatures.1: ",
    ],
    [
      "a temperature that float32 does not hold",
      withJson(({ policy }) => (policy.temperatures = [1, 1e-300, 1])),
      "found at policy.temperatures.1: ",
    ],
    [
      "a million hidden layers",
      withJson(({ policy }) => (policy.hidden = new Array(1e6).fill(1))),
      "found at policy.hidden: ",
    ],
    [
      "a deviation that makes infinities of pixels",
      withJson(
        (json) => ((json.network as Record<string, unknown>).normalisation = { mean: [0, 0], std: [1e-300, 1] }),
      ),
      "found at normalisation.std.0: ",
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
      withJson(
        (json) => ((json.network as Record<string, unknown>).normalisation = { mean: [0, 0, 0], std: [1, 1, 1] }),
      ),
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
      "an array too many in a policy",
      withArrays("policy.safetensors", (arrays) => arrays.set("more", { shape: [1], data: Float32Array.of(1) })),
      "and no more expected, found more",
    ],
    [
      "a weight that is no number",
      withArrays("network.safetensors", (arrays) => {
        arrays.get("stages.0.layers.0.weight")!.data[7] = Number.NaN;
      }),
      "finite numbers in stages.0.layers.0.weight expected, found NaN at place 7",
    ],
    [
      "a label that is no class",
      withArrays("validation.safetensors", (arrays) => {
        arrays.get("labels")!.data[2] = 4;
      }),
      "labels of 0 to 3 expected, found 4 at image 2",
    ],
    [
      "costs that fall",
      withJson(({ policy }) => (policy.costs = { exitMacs: [3, 2, 4], fullMacs: 4 })),
      "rising numbers in policy.costs.exitMacs expected, found 3 and then 2",
    ],
    [
      "a lambda outside the agent's range",
      withJson(({ policy }) => (policy.lambda = 2)),
      "policy.lambda within policy.lambdaRange expected, found 2 and 0.01 to 1",
    ],
    [
      "the policy of another network",
      withJson(({ policy }) => (policy.network = "ab".repeat(32))),
      `a policy for the network ${network.sha256.slice(0, 12)}... expected, found one for abababababab`,
    ],
    [
      "hidden layers that no memory holds: told before any is taken",
      withJson(({ policy }) => (policy.hidden = [2_000_000_000, 2_000_000_000])),
      "policy.safetensors: hidden.0.weight of shape [2000000000,",
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

describe("what a digest can tell", () => {
  const flipped = (name: string, place: number): Map<string, Uint8Array> => {
    const bytes = files.get(name)!.slice();
    bytes[place]! ^= 1 << (place % 8);
    return changed(name, bytes);
  };

  test("one flipped bit, anywhere in any file, is the user's mistake", async () => {
    for (const [name, { length }] of files)
      for (let place = 0; place < length; place += 37) {
        const error = await read(flipped(name, place)).catch((one: unknown) => one);
        if (error instanceof UserError) continue;
        // the text of model.json has spaces and ways to write a number that mean the same
        expect(name, `${place}`).toBe("model.json");
        expect(plainModel(error as Model), `${place}`).toEqual(plainModel(whole));
      }
  });

  test("files of another model of the same kind", async () => {
    const other = modelFiles({ network, policy: policyOf(handMadeAgent({ seed: 2 })) });
    for (const name of ["policy.safetensors", "model.json"])
      await expect(read(changed(name, other.get(name)!)), name).rejects.toThrow(
        /^models\/mine\/policy.safetensors: SHA-256 .*\.\.\. expected, found .*\.\.\.; the file is damaged/,
      );
  });

  test("a name twice in model.json, and a file that it does not name", async () => {
    const json = text(files.get("model.json")!);
    await expect(read(changed("model.json", bytesOf(json.replace("{", '{"format": 2, '))))).rejects.toThrow(
      'model.json: every name once expected, found "format" twice',
    );
    await expect(
      read(withJson((one) => delete (one.files as Record<string, unknown>)["validation.safetensors"])),
    ).rejects.toThrow("validation.safetensors: a digest in the describing file expected, found none");
  });

  test("a policy is not saved beside a network that it was not learned for", () => {
    const policy = { ...policyOf(handMadeAgent()), network: "cd".repeat(32) };
    expect(() => modelFiles({ network, policy })).toThrow(UserError);
    expect(() => modelFiles({ network, policy })).toThrow(
      /a policy learned for this network .* found one for cdcdcdcdcdcd/,
    );
  });

  test("a byte order mark is passed over", async () => {
    const bytes = files.get("model.json")!;
    expect(plainModel(await read(changed("model.json", Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes))))).toEqual(
      plainModel(whole),
    );
    await expect(read(changed("model.json", Uint8Array.of(0xff, 0xfe, ...bytes)))).rejects.toThrow("found UTF-16");
  });
});

describe("format 1, as written by version 0.1.0", () => {
  const folder = new URL("format-1", import.meta.url).pathname;

  test("a model is read, and what is saved from it is format 2 with the same weights", async () => {
    const model = await loadModel(join(folder, "model"));
    expect(plainModel(model)).toEqual(plainModel({ ...modelOf(handMadeAgent()), figures: whole.figures }));
    const again = modelFiles(model);
    expect(again).toEqual(files);
    for (const name of ["network.safetensors", "policy.safetensors", "validation.safetensors"])
      expect(new Uint8Array(await readFile(join(folder, "model", name))), name).toEqual(again.get(name));
  });

  test("a policy folder is read", async () => {
    const { policy, ...rest } = await loadPolicy(join(folder, "policy"));
    expect(policy).toEqual({ ...policyOf(handMadeAgent()), costUnit: "mJ" });
    expect(rest).toEqual({
      dataset: { name: "table.safetensors", sha256: "ab" },
      seed: 3,
      version: "0.1.0",
      figures: { accuracy: 0.5 },
    });
  });
});

test("the models that come with the package are of format 2", async () => {
  for (const name of ["shapes", "cifar10"]) {
    const folder = new URL(`../../models/${name}`, import.meta.url).pathname;
    const { network: shipped, policy } = await loadModel(folder);
    expect(policy!.network).toBe(shipped.sha256);
    for (const [file, bytes] of shipped.files())
      expect(Buffer.compare(bytes, await readFile(join(folder, file))), file).toBe(0);
  }
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

  test("is copied with another policy in it", async () => {
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    await saveModel(from, named);
    await writeFile(join(from, "report.html"), "mine");
    const other = modelFiles(whole);
    other.delete("network.safetensors");
    await copyModel(from, to, other);
    expect((await readdir(to)).sort()).toEqual([...files.keys()].sort());
    expect(plainModel(await loadModel(to))).toEqual(plainModel(whole));
    await expect(copyModel(join(folder, "nowhere"), to, other)).rejects.toThrow(
      "a model folder expected, found nothing",
    );
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
