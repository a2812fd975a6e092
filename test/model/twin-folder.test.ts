import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { loadModel, saveModel } from "../../src/model/model-folder.ts";
import { findTwin } from "../../src/model/twin-folder.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import { quantise } from "../../src/quantise/quantise.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { network, wavyData, wavyPixels } from "../inference/small.ts";

const around = mkdtempSync(join(tmpdir(), "twin-"));
const [float, beside, elsewhere] = ["photos", "photos-int8", "small"].map((name) => join(around, name)) as [
  string,
  string,
  string,
];
const data = wavyData(createSamples(wavyPixels(64, 3), new Uint16Array(64)));

beforeAll(async () => {
  await saveModel(float, { network, policy: null });
  const small = await quantise({ network, data, runtime: createNodeRuntime({ threads: 1 }), images: 64 });
  await saveModel(beside, { network: small, policy: null });
});

afterAll(() => rmSync(around, { recursive: true }));

test("a network in 8 bits says in its folder what it was made from", async () => {
  const { provenance } = (await loadModel(beside)).network;
  expect(provenance.quantisedFrom).toBe(network.sha256);
});

test("the twin is found by its name, or by what it says it was made from, and not behind a damaged folder", async () => {
  expect(await findTwin(float, network)).toBe(beside);
  expect(await findTwin(`${float}/`, network)).toBe(beside);
  mkdirSync(join(around, "damaged"));
  writeFileSync(join(around, "damaged", "model.json"), "{");
  mkdirSync(join(around, "empty"));
  renameSync(beside, elsewhere);
  expect(await findTwin(float, network)).toBe(elsewhere);
  const other = untrainedNetwork(network.blueprint, network.classes, 7);
  expect(await findTwin(float, other)).toBeNull();
  renameSync(elsewhere, beside);
});

test("a folder of the twin's name with another network's twin is refused in one line", async () => {
  const other = untrainedNetwork(network.blueprint, network.classes, 7);
  await expect(findTwin(float, other)).rejects.toThrow(
    `${beside}: a model made from the network ${other.sha256.slice(0, 12)}... of ${float} expected, ` +
      `found one made from ${network.sha256.slice(0, 12)}...; make it again with 'earlyexit quantise', or move it away`,
  );
});
