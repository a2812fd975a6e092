import { describe, expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { UserError } from "../../src/errors.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { decodeSafetensors } from "../../src/files/safetensors.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import { fullNetworkGraph } from "../../src/inference/stage-programs.ts";
import { modelFiles } from "../../src/model/model.ts";
import { readModel } from "../../src/model/read-model.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import { quantise } from "../../src/quantise/quantise.ts";
import { readQuantised } from "../../src/quantise/read.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { EXITS, handMadeAgent, IMAGE_SIZE, network, policyOf, wavyData, wavyPixels } from "../inference/small.ts";
import { plainNetwork } from "../network/small.ts";

const runtime = createNodeRuntime({ threads: 1 });
const COUNT = 96;
const samples = createSamples(wavyPixels(COUNT, 3), new Uint16Array(COUNT));
const data = wavyData(samples);
const small = await quantise({ network, data, runtime, images: 64 });
const logitsOf = async (one: typeof network | typeof small) => (await computeExitTable(runtime, one, samples)).logits;
const float = await logitsOf(network);

function distance(found: Float32Array): number {
  let [error, size] = [0, 0];
  for (const [i, value] of float.entries()) {
    error += (found[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

describe("a network in 8 bits", () => {
  test("gives nearly the logits of the float network", async () => {
    const found = distance(await logitsOf(small));
    expect(found).toBeGreaterThan(1e-4); // it is rounded
    expect(found).toBeLessThan(0.2); // every number of a small random network counts
  });

  test("says what it is: maps of 8 bits between stages, fewer bytes, the same costs and the same origin", () => {
    expect(small.precision).toBe("int8");
    expect(small.stages.map(({ handsOn }) => handsOn)).toEqual([
      [{ type: "uint8", shape: [1, 4, 4, 6] }], // channels last
      [{ type: "uint8", shape: [1, 4, 4, 6] }],
      [],
    ]);
    expect(small.stages.map(({ macs }) => macs)).toEqual(network.stages.map(({ macs }) => macs));
    const bytes = (stages: typeof small.stages): number => stages.reduce((sum, one) => sum + one.bytes, 0);
    expect(bytes(small.stages)).toBeLessThan(bytes(network.stages) / 2);
    expect(small.provenance).toEqual({ ...network.provenance, quantisedFrom: network.sha256 });
    expect(small.sha256).not.toBe(network.sha256);
    expect(small.trainable).toBeNull();
  });

  test("rounds every convolution: its weights are stored as bytes", () => {
    const graph = serialize(fullNetworkGraph(small));
    expect(graph.operators).toContain("QuantizeLinear");
    expect(small.rounding.kept.flat()).toEqual([]);
    expect(small.rounding.points.map((list) => list.map(({ of }) => of))).toEqual([
      ["input", "Relu", "MaxPool"],
      ["input", "Relu", "Add"],
      ["input", "Relu", "Conv"],
    ]);
  });

  test("is the same after writing and reading, to the last bit", async () => {
    const model = { network: small, policy: policyOf(handMadeAgent()) };
    const files = modelFiles(model);
    const read = await readModel(async (name) => files.get(name) ?? null, "here");
    expect(plainNetwork(read.network)).toEqual(plainNetwork(small));
    expect(modelFiles(read)).toEqual(files);
    expect(await computeExitTable(runtime, read.network, samples)).toEqual(
      await computeExitTable(runtime, small, samples),
    );
  });

  test("the same seed gives the same bytes", async () => {
    const again = await quantise({ network, data, runtime, images: 64 });
    expect(again.files()).toEqual(small.files());
    expect(again.description).toEqual(small.description);
  });

  test("is classified one by one as in a batch, by stages with 8-bit maps between them", async () => {
    const agent = handMadeAgent({ scale: 2, seed: 7 });
    const model = { network: small, policy: policyOf(agent) };
    const classifier = await AdaptiveClassifier.create(runtime, model, async (pixels: Uint8Array) => pixels);
    await classifier.prepareStages();
    const pixels = samples.pixels.read(0, COUNT).slice();
    const together = await classifier.classifyPixels(pixels);
    const exits = together.map(({ exit }) => exit);
    expect(new Set(exits).size).toBe(EXITS);
    for (const [i, one] of together.entries()) {
      const alone = await classifier.classify(pixels.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE));
      expect(alone.exit).toBe(one.exit);
      expect(alone.classIndex).toBe(one.classIndex);
      expect(alone.confidence).toBeCloseTo(one.confidence, 5);
    }
    await classifier.close();
  });
});

describe("convolutions that stay in float", () => {
  const layers = [{ type: "conv", channels: 5 }, { type: "gelu" }];
  const head = [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }];
  test.each([
    ["the one over the picture, where convolutions alone take its map", { type: "conv", channels: 6 }, [[0], []]],
    ["not where a sum takes it", { type: "residual", layers: [{ type: "conv", channels: 5 }] }, [[], []]],
  ])("are %s", async (_, next, kept) => {
    const blueprint = parseBlueprint({
      name: "two exits",
      input: [2, 8, 8],
      stages: [
        { layers: [...layers, next], head },
        { layers: [{ type: "maxPool" }], head },
      ],
    });
    const one = untrainedNetwork(blueprint, network.classes);
    const rounded = await quantise({ network: one, data, runtime, images: 64 });
    expect(rounded.rounding.kept).toEqual(kept);
    const { operators } = serialize(fullNetworkGraph(rounded));
    expect(operators).toContain("QuantizeLinear");
    expect(rounded.floatProducts).toEqual(["Gemm", "Gemm"]);
  });

  test("are as many as asked for, and bring the logits nearer", async () => {
    const half = await quantise({ network, data, runtime, images: 64, keep: 2 });
    expect(half.rounding.kept.flat()).toHaveLength(2);
    const [all, some] = [distance(await logitsOf(small)), distance(await logitsOf(half))];
    expect(some).toBeLessThan(all);
    expect(half.files().get("network.safetensors")!.length).toBeGreaterThan(
      small.files().get("network.safetensors")!.length,
    );
  });

  test("are as many as it takes to change no more answers than that", async () => {
    const exact = await quantise({ network, data, runtime, images: 64, maxLoss: 100 });
    expect(exact.rounding.kept.flat()).toEqual([]);
  });
});

describe("what cannot be rounded is refused", () => {
  test("a network in 8 bits already", async () => {
    await expect(quantise({ network: small, data, runtime })).rejects.toThrow(
      new UserError(
        "quantise: a network in floats expected, found three exits in 8 bits already; give the one it was made from",
      ),
    );
  });

  test("pictures of another shape, or too few", async () => {
    await expect(quantise({ network, data: { ...data, imageShape: [3, 8, 8] }, runtime })).rejects.toThrow(
      "quantise: pictures of [2, 8, 8] expected, found [3, 8, 8] in waves",
    );
    await expect(quantise({ network, data, runtime, images: 128 })).rejects.toThrow(
      "at most the 96 of the training split",
    );
    await expect(quantise({ network, data: { ...data, train: null }, runtime })).rejects.toThrow(UserError);
  });

  test("scales of another network", () => {
    const { rounding, classes, provenance, description } = small;
    const arrays = decodeSafetensors(small.files().get("network.safetensors")!, "file");
    const [first, ...others] = rounding.points;
    const changed = { ...rounding, points: [first!.slice(1), ...others] };
    const { blueprint, normalisation } = description as unknown as Pick<typeof network, "blueprint" | "normalisation">;
    const parts = { blueprint, normalisation, classes, provenance };
    expect(readQuantised(parts, rounding, arrays, "file").sha256).toBe(small.sha256);
    expect(() => readQuantised(parts, changed, arrays, "file")).toThrow(
      /^file: quantise: scales of 3,3,3 maps by stage expected .*; quantise the network again$/,
    );
  });
});
