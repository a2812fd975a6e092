/** A few pictures of one's own become a classifier that stops. */
import { expect, test } from "vitest";
import { drawShapesParts } from "../../src/dataset/shapes.ts";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import { modelFiles } from "../../src/model/model.ts";
import { loadModel } from "../../src/model/model-folder.ts";
import { readModel } from "../../src/model/read-model.ts";
import type { BlueprintNetwork } from "../../src/network/blueprint-network.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { ownSamples, type TeachProgress, teach } from "../../src/story/teach.ts";

const runtime = createNodeRuntime({ threads: 1 });
const SHAPES = new URL("../../models/shapes", import.meta.url).pathname;
const CLASSES = ["triangle", "ring"];
const { test: drawn, classes } = drawShapesParts({ seed: 5, trainCount: 0, testCount: 400 });

/** Freshly drawn pictures of a class. */
function pictures(name: string, from: number, until: number): Uint8Array[] {
  const all = [...drawn!.labels.keys()].filter((i) => classes[drawn!.labels[i]!] === name);
  return all.slice(from, until).map((i) => drawn!.pixels.read(i, i + 1).slice());
}
const few = CLASSES.map((name) => pictures(name, 0, 20));

test("40 pictures of two classes are enough for others of them; nothing of the network but its last layers changes", async () => {
  const { network: from } = await loadModel(SHAPES);
  const told: TeachProgress[] = [];
  const samples = ownSamples(few);
  const taught = await teach({ runtime, from, classes: CLASSES, samples, onProgress: (one) => told.push(one) });

  const weights = (from as BlueprintNetwork).weights;
  const changed = [...weights].filter(([name, { data }]) => taught.network.weights.get(name)!.data !== data);
  const { stages } = (from as BlueprintNetwork).blueprint;
  const last = stages.flatMap(({ head }, k) =>
    ["weight", "bias"].map((one) => `stages.${k}.head.${head.length - 1}.${one}`),
  );
  expect(changed.map(([name]) => name).sort()).toEqual(last.sort());
  expect(taught.policy.decider).toMatch(/^threshold:/); // too few for an agent
  expect(taught.policy.choice!.images).toBe(40);
  expect(taught.policy.validation!.count).toBe(40);
  expect(taught.accuracy.at(-1)).toBeGreaterThan(0.7);
  const heads = told.filter((one) => one.kind === "heads");
  expect(heads.at(-1)).toMatchObject({ done: 24, total: 24 }); // six for each of four exits
  expect(heads.filter(({ accuracy }) => accuracy !== null)).toHaveLength(5);

  const files = modelFiles(taught);
  const model = await readModel(async (name) => files.get(name) ?? null, "taught");
  const classifier = await AdaptiveClassifier.create<never>(runtime, model, () =>
    Promise.reject(new TypeError("pixels")),
  );
  const unseen = CLASSES.flatMap((name, k) => pictures(name, 20, 40).map((pixels) => ({ pixels, k })));
  const answers = await classifier.classifyBatch(unseen.map(({ pixels }) => ({ pixels })));
  await classifier.close();
  const right = answers.filter(({ classIndex }, i) => classIndex === unseen[i]!.k).length;
  expect(unseen).toHaveLength(40);
  expect(right).toBeGreaterThanOrEqual(36);
  const mean = answers.reduce((sum, { costMacs }) => sum + costMacs, 0) / 40;
  expect(mean).toBeLessThan(0.7 * classifier.costs.fullMacs);
  expect(new Set(answers.map(({ exit }) => exit)).size).toBeGreaterThan(1);
  expect(taught.policy.choice!.warnings.join()).toMatch(/few validation images \(40\)/);
});

test("the same pictures and seed give the same bytes", async () => {
  const { network: from } = await loadModel(SHAPES);
  const samples = ownSamples(few.map((some) => some.slice(0, 6)));
  const once = async () => {
    const { network, policy } = await teach({ runtime, from, classes: CLASSES, samples, seed: 3 });
    return [...modelFiles({ network, policy }).values()].map((bytes) => Buffer.from(bytes).toString("base64"));
  };
  expect(await once()).toEqual(await once());
});

test("too few classes or pictures are told", async () => {
  const { network: from } = await loadModel(SHAPES);
  const ask = (classes: string[], own: Uint8Array[][]) => teach({ runtime, from, classes, samples: ownSamples(own) });
  await expect(ask(["ring"], [few[1]!])).rejects.toThrow("at least two classes expected, found 1");
  await expect(ask(CLASSES, [few[0]!, few[1]!.slice(0, 4)])).rejects.toThrow(
    "at least 5 pictures of each class expected, found 4 of ring",
  );
});
