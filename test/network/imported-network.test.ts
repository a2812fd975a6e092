import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { serialize } from "../../src/graph/onnx.ts";
import { type Graph, ModelSchema } from "../../src/graph/onnx_pb.ts";
import { input } from "../../src/graph/tensor.ts";
import { firstFeeds, readPath } from "../../src/inference/classification.ts";
import { nestedGraph } from "../../src/inference/nested-exits.ts";
import { looksBack } from "../../src/inference/stage-programs.ts";
import { modelFiles } from "../../src/model/model.ts";
import { readModel } from "../../src/model/read-model.ts";
import { networkCost } from "../../src/network/cost.ts";
import type { ImportedNetwork, OpenedNetwork } from "../../src/network/imported-network.ts";
import { buildStages } from "../../src/network/staged-network.ts";
import { findCuts } from "../../src/onnx/cuts.ts";
import { modelBytes } from "../../src/onnx/onnx-file.ts";
import { fixedExitAgent } from "../../src/policy/fixed-exit-agent.ts";
import { Program } from "../../src/runtime/program.ts";
import { op, smallParts, storedFloats } from "../onnx/files.ts";
import { attached, noise, opened, openedFile, policyFor, runtime } from "./imported.ts";

/** What a graph of all stages says of some pictures, exit by exit, and what is handed on. */
async function stagesOf(network: ImportedNetwork, images: Float32Array): Promise<Record<string, Float32Array>> {
  const built = buildStages(network, [input("x", [1, ...network.picture.shape])], "batchFirst");
  const outputs = Object.fromEntries(
    built.flatMap(({ logits, handsOn }, k) => [
      [`logits ${k}`, logits],
      ...handsOn.map((one, i) => [`cut ${k} ${i}`, one] as const),
    ]),
  );
  const program = await Program.compile(runtime, { outputs, anyBatch: true });
  const results = await program.run({ x: images });
  await program.close();
  return results;
}

/** Tensors of the original file, by ONNX Runtime alone. */
async function original(network: OpenedNetwork, names: readonly string[], images: Float32Array) {
  const { prepared, picture } = network;
  const session = await InferenceSession.create(modelBytes(prepared.graph, names));
  const count = images.length / picture.shape.reduce((a, b) => a * b);
  const results = await session.run({
    [prepared.main]: new RuntimeTensor("float32", images, [count, ...picture.shape]),
  });
  return names.map((name) => results[name]!.data as Float32Array);
}

function difference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

async function checkEqual(network: OpenedNetwork, cuts: readonly string[]) {
  const imported = attached(network, cuts);
  const size = network.picture.shape.reduce((a, b) => a * b);
  const images = noise(3 * size);
  const staged = await stagesOf(imported, images);
  const expected = await original(network, [...cuts, network.prepared.answer], images);
  for (const k of cuts.keys()) expect(difference(staged[`cut ${k} 0`]!, expected[k]!)).toBeLessThan(1e-5);
  expect(difference(staged[`logits ${cuts.length}`]!, expected.at(-1)!)).toBeLessThan(1e-5);
  const alone = await stagesOf(imported, images.subarray(size, 2 * size));
  for (const [name, values] of Object.entries(alone)) {
    const row = staged[name]!.length / 3;
    expect(difference(values, staged[name]!.subarray(row, 2 * row))).toBeLessThan(1e-5);
  }
}

const CUTS = ["a", "b", "relu3"];

test("equal to the original at every cut, whole and in stages; a row alone equals a row in a batch", async () => {
  await checkEqual(await opened(), CUTS);
});

test("stages add up: MACs, parameters, and what an exit costs with its heads", async () => {
  const network = attached(await opened(), CUTS);
  const whole = network.stages.reduce((sum, { macs }) => sum + macs, 0);
  expect(whole).toBe(network.original!.macs);
  expect(network.fullMacs).toBe(whole);
  // a head on a 2 x 2 grid and the maximum of 8 channels; a hidden layer of 5 on mean and maximum
  expect(network.stages.map(({ headMacs }) => headMacs)).toEqual([8 * 5 * 10, 16 * 5 + 5 * 10, 24 * 10, 0]);
  expect(network.stages[0]!.parameters).toBe(8 * 27 + 8 + 8 * 5 * 10 + 10);
  const { exitMacs } = networkCost(network);
  expect(exitMacs).toEqual([...exitMacs].sort((a, b) => a - b));
});

test("a new head as the last exit: the network's own classifier is not computed", async () => {
  const network = attached(await opened(), ["a"], "head");
  expect(network.fullMacs).toBe(network.original!.macs - 12 * 10 + (24 * 5 + 5 * 10));
  const { operators } = serialize({
    outputs: { last: network.build(1, [input("a", [1, 8, 8, 8])], "batchFirst").logits },
  });
  expect(operators.filter((one) => one === "Gemm")).toEqual(["Gemm"]);
});

test("read back from its files: the same answers, the same digest, nothing run; the file in it is the original", async () => {
  const network = attached(await opened(), CUTS, "head");
  const files = modelFiles({ network, policy: policyFor(network) });
  expect(files.get("network.onnx")).toEqual(network.file);
  const model = await readModel(async (name) => files.get(name) ?? null, "folder");
  expect(model.network.sha256).toBe(network.sha256);
  expect(model.network.stages).toEqual(network.stages);
  const images = noise(2 * 192);
  expect(await stagesOf(model.network as ImportedNetwork, images)).toEqual(await stagesOf(network, images));
  const damaged = new Map(files).set("network.onnx", network.file.slice().fill(0, 100, 104));
  await expect(readModel(async (name) => damaged.get(name) ?? null, "folder")).rejects.toThrow(/network\.onnx/);
});

/** Convolutions that ONNX Runtime says it ran, leaving at an exit. */
async function convolutionsRun(
  network: ImportedNetwork,
  exit: number,
): Promise<{ exit: number; convolutions: number }> {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-profile-"));
  const policy = policyFor(network);
  const graph = nestedGraph(network, { ...policy, agent: fixedExitAgent(policy.agent, exit) });
  const program = await Program.compile(runtime, graph, { profilePrefix: join(folder, "profile") });
  const { answers } = await program.run(firstFeeds(noise(192), 1, 0.1));
  await program.close(); // writes the profile
  const events = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), "utf8")) as {
    name: string;
    args?: { op_name?: string };
  }[];
  rmSync(folder, { recursive: true });
  const ran = events.filter(({ name, args }) => args?.op_name?.endsWith("Conv") && name.endsWith("_kernel_time"));
  return {
    exit: readPath(answers!, network.stages.length, { classes: 10, looksBack: looksBack(policy) }).at(-1)!.exit,
    convolutions: ran.length,
  };
}

test("nothing behind the exit taken is computed, and each weight lies in the body that needs it first", async () => {
  const network = attached(await opened(), CUTS);
  const found = [];
  for (let exit = 0; exit < 4; exit++) found.push(await convolutionsRun(network, exit));
  expect(found).toEqual([1, 2, 3, 4].map((convolutions, k) => ({ exit: k + 1, convolutions })));
  const { bytes } = serialize(nestedGraph(network, policyFor(network)));
  const weights = ({ initializer }: Graph): string[] =>
    initializer.filter(({ dims }) => dims.length === 4).map(({ dims }) => dims.join("x"));
  const bodies = (graph: Graph): string[][] => [
    weights(graph),
    ...graph.node.flatMap(({ attribute }) =>
      attribute.filter(({ name, g }) => g && name === "then_branch").flatMap(({ g }) => bodies(g!)),
    ),
  ];
  expect(bodies(fromBinary(ModelSchema, bytes).graph!)).toEqual([
    ["8x3x3x3"],
    ["8x8x3x3"],
    ["12x8x3x3"],
    ["12x12x3x3"],
  ]);
});

test("an input of bytes with its channels last, blue first: the same pictures, the same answers", async () => {
  const plain = await opened();
  const parts = smallParts();
  const other = await opened(
    {
      ...parts,
      inputs: [["bytes", ["batch", 8, 8, 3], "uint8"]],
      nodes: [
        op("Cast", ["bytes"], "floats", { to: 1 }),
        op("Transpose", ["floats"], "chw", { perm: [0, 3, 1, 2] }),
        op("Gather", ["chw", "reversed"], "rgb", { axis: 1 }),
        op("Div", ["rgb", "255"], "input"),
        ...parts.nodes,
      ],
      constants: [
        ...parts.constants!,
        storedFloats("255", [255], []),
        {
          ...storedFloats("reversed", [0, 0, 0]),
          dataType: 7,
          rawData: new Uint8Array(BigInt64Array.of(2n, 1n, 0n).buffer),
        },
      ],
    },
    { normalise: "0/0.00392156862745098", channels: "bgr" },
  );
  expect(other.feeding).toEqual({ layout: "channelsLast", channels: "bgr" });
  const bytes = Float32Array.from(noise(2 * 192), (value) => Math.max(0, Math.min(255, Math.round(60 * value + 128))));
  const a = await stagesOf(
    attached(plain, CUTS),
    bytes.map((value) => value / 255),
  );
  const b = await stagesOf(attached(other, CUTS), bytes);
  expect(difference(a["logits 3"]!, b["logits 3"]!)).toBeLessThan(1e-5);
});

const folder = "../shared/networks";

describe.skipIf(!existsSync(folder))(`networks of others (skipped where ${folder} is missing)`, () => {
  test.each(["resnet20", "mobilenet-v2-imagenet"])(
    "%s: equal at its narrow cuts",
    { timeout: 120_000 },
    async (name) => {
      const network = await openedFile(new Uint8Array(readFileSync(`${folder}/${name}.onnx`)));
      const cuts = findCuts(network.prepared).filter(({ isNarrow }) => isNarrow);
      await checkEqual(
        network,
        cuts.filter((_, i) => i % 4 === 1).map((cut) => cut.name),
      );
    },
  );
});
