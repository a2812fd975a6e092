/** Somebody else's network in 8 bits. */
import { expect, test } from "vitest";
import { createSamples, type Dataset } from "../../src/dataset/dataset.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import { fullNetworkGraph } from "../../src/inference/stage-programs.ts";
import { modelFiles } from "../../src/model/model.ts";
import { readModel } from "../../src/model/read-model.ts";
import { quantise } from "../../src/quantise/quantise.ts";
import { wavyPixels } from "../inference/small.ts";
import { attached, opened, policyFor, runtime } from "../network/imported.ts";

const COUNT = 96;
const SIZE = 3 * 8 * 8;
const pixels = wavyPixels(Math.ceil((COUNT * SIZE) / 128), 3).slice(0, COUNT * SIZE);
const samples = createSamples(pixels, new Uint16Array(COUNT));
const network = attached(await opened(), ["a", "b", "relu3"]);
const data: Dataset = {
  name: "waves",
  imageShape: [3, 8, 8],
  classes: network.classes,
  train: samples,
  validation: samples,
  test: samples,
};
const small = await quantise({ network, data, runtime, images: 64 });

test("its convolutions become integers, its answers stay near, and its file stays as it came", async () => {
  expect(small.precision).toBe("int8");
  expect(small.rounding.kept.flat()).toEqual([]);
  const { operators } = serialize(fullNetworkGraph(small));
  expect(operators).toContain("QuantizeLinear");
  expect(small.files().get("network.onnx")).toBe(network.file);
  expect(small.sha256).not.toBe(network.sha256);
  const [float, rounded] = [
    (await computeExitTable(runtime, network, samples)).logits,
    (await computeExitTable(runtime, small, samples)).logits,
  ];
  const square = (values: Float32Array): number => values.reduce((sum, one) => sum + one * one, 0);
  const error = Math.sqrt(square(float.map((one, i) => one - rounded[i]!)) / square(float));
  expect(error).toBeGreaterThan(1e-5); // it is rounded
  expect(error).toBeLessThan(0.1);
});

test("a sum and the relu behind it are rounded once, and nothing is left of the layout of float convolutions", () => {
  const points = small.rounding.points.map((list) => list.map(({ of }) => of));
  expect(points.flat().filter((of) => of === "Relu")).toHaveLength(4); // a, b, relu3, c
  expect(points.flat()).not.toContain("Add");
  expect(points.flat()).not.toContain("MaxPool");
});

test("it is the same after writing and reading, and refuses scales that are not its own", async () => {
  const files = modelFiles({ network: small, policy: { ...policyFor(network), network: small.sha256 } });
  const read = await readModel(async (name) => files.get(name) ?? null, "here");
  expect(read.network.sha256).toBe(small.sha256);
  expect(modelFiles(read)).toEqual(files);
  expect(await computeExitTable(runtime, read.network, samples)).toEqual(
    await computeExitTable(runtime, small, samples),
  );
  const again = await quantise({ network, data, runtime, images: 64 });
  expect(again.sha256).toBe(small.sha256);
});

test("one session and a session per stage leave at the same exits", async () => {
  const model = { network: small, policy: policyFor(network) };
  const classifier = await AdaptiveClassifier.create(runtime, model, async (one: Uint8Array) => one);
  const exits = new Set<number>();
  for (const lambda of [0.01, 0.1, 1]) {
    classifier.lambda = lambda;
    for (let i = 0; i < 20; i++) {
      const image = pixels.subarray(i * SIZE, (i + 1) * SIZE);
      const [single, staged] = [
        await classifier.classify(image),
        await classifier.classify(image, { deadlineMs: 1e9 }),
      ];
      expect([single.exit, single.classIndex]).toEqual([staged.exit, staged.classIndex]);
      exits.add(single.exit);
    }
  }
  await classifier.close();
});

test("a network in 8 bits already is refused", async () => {
  await expect(quantise({ network: small, data, runtime })).rejects.toThrow(
    "quantise: a network in floats expected, found small in 8 bits already",
  );
});
