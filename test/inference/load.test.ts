/** From a model folder, on disk or behind an address, and every kind of image. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { normalisationTable } from "../../src/dataset/augmentation.ts";
import { normalise } from "../../src/dataset/batches.ts";
import { imageDataPixels } from "../../src/dataset/scale.ts";
import { UserError } from "../../src/errors.ts";
import { saveModel } from "../../src/model/model-folder.ts";
import { pictureOf } from "../../src/network/staged-network.ts";
import { AdaptiveClassifier } from "../../src/story/classifier.ts";
import { TINY_SIDE, tinyModel, wavyPicture } from "./tiny-model.ts";

const model = tinyModel();
const folder = mkdtempSync(join(tmpdir(), "earlyexit-load-"));
let server: Server;
let address: string;
let classifier: AdaptiveClassifier;

beforeAll(async () => {
  await saveModel(folder, model);
  server = createServer((request, response) => {
    const [, place, file] = request.url!.split("/");
    if (place === "broken") return response.writeHead(500).end();
    if (place === "silent") return response.write("{");
    if (place === "endless" && file !== "model.json") {
      const more = () => response.write(new Uint8Array(65_536), () => response.destroyed || more());
      return more();
    }
    try {
      response.end(readFileSync(join(place === "model" || place === "endless" ? folder : "nowhere", file!)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  classifier = await AdaptiveClassifier.load(folder, { threads: 1 });
});

afterAll(async () => {
  await classifier.close();
  server.close();
  rmSync(folder, { recursive: true });
});

test("a picture is the same as a path, as a file's bytes, as RGBA, as pixels and as a tensor", async () => {
  const path = join(folder, "waves.png");
  const picture = wavyPicture(TINY_SIDE, TINY_SIDE, 1);
  const raw = { width: TINY_SIDE, height: TINY_SIDE, channels: 4 as const };
  writeFileSync(path, await sharp(picture.data, { raw }).png().toBuffer());
  const pixels = imageDataPixels(picture, [3, TINY_SIDE, TINY_SIDE]);
  const tensor = normalise(pixels, normalisationTable(pictureOf(model.network).normalisation), TINY_SIDE ** 2);
  const images = [path, readFileSync(path), picture, { pixels }, { tensor }];
  const [first, ...others] = await classifier.classifyBatch(images);
  expect(first!.exit).toBeGreaterThan(1);
  for (const other of others) {
    expect({ ...other, latencyMs: 0, readMs: 0, probabilities: null, trace: null }).toEqual({
      ...first,
      latencyMs: 0,
      readMs: 0,
      probabilities: null,
      confidence: expect.closeTo(first!.confidence, 5),
      trace: null,
    });
  }
  const alone = await Promise.all(images.map((image) => classifier.classify(image)));
  expect(new Set(alone.map(({ classIndex, exit }) => `${classIndex} at ${exit}`)).size).toBe(1);
  // and another picture gives another answer, so that the comparison above says something
  const other = await classifier.classify(wavyPicture(TINY_SIDE, TINY_SIDE, 2));
  expect(other.confidence).not.toBeCloseTo(first!.confidence, 3);
});

describe("behind an address", () => {
  const pictures = Array.from({ length: 12 }, (_, i) => wavyPicture(40, 30, i));

  test("the same model answers the same", async () => {
    for (const place of [`${address}/model`, `${address}/model/`]) {
      const fetched = await AdaptiveClassifier.load(place, { threads: 1, lambda: 0.1 });
      const [here, there] = [await classifier.classifyBatch(pictures), await fetched.classifyBatch(pictures)];
      await fetched.close();
      expect(there.map(({ probabilities }) => probabilities)).toEqual(here.map(({ probabilities }) => probabilities));
      expect(new Set(here.map(({ exit }) => exit)).size).toBeGreaterThan(1);
    }
  });

  test("a missing model, a server in trouble and none at all are the user's to know", async () => {
    await expect(AdaptiveClassifier.load(`${address}/elsewhere`)).rejects.toThrow(
      `${address}/elsewhere: a model folder with model.json expected, found none`,
    );
    await expect(AdaptiveClassifier.load(`${address}/broken`)).rejects.toThrow(
      `${address}/broken/model.json: a file expected, found status 500`,
    );
    await expect(AdaptiveClassifier.load("http://127.0.0.1:9/model")).rejects.toThrow(
      "http://127.0.0.1:9/model/model.json: a server that answers expected, found",
    );
  });

  test("a server that falls silent, or sends more than is allowed, is given up", async () => {
    const silent = AdaptiveClassifier.load(`${address}/silent`, { patienceMs: 100 });
    await expect(silent).rejects.toThrow(UserError);
    await expect(silent).rejects.toThrow(`${address}/silent/model.json: an answer within 100 ms expected, found none`);
    const large = AdaptiveClassifier.load(`${address}/model`, { limitBytes: 100 });
    await expect(large).rejects.toThrow(
      `${address}/model/model.json: at most 100 bytes expected, found more; raise limitBytes`,
    );
    await expect(AdaptiveClassifier.load(`${address}/endless`)).rejects.toThrow(
      /\/endless\/network\.safetensors: \d+ bytes expected, found more; get the folder again/,
    );
  });
});

test("device, threads and dial are what was asked for", async () => {
  await expect(AdaptiveClassifier.load(folder, { device: "gpu" })).rejects.toThrow(
    "device: cpu, webgpu, cuda expected, found gpu",
  );
  await expect(AdaptiveClassifier.load(folder, { lambda: 5 })).rejects.toThrow("lambda: 0.01 to 1 expected");
  const thrifty = await AdaptiveClassifier.load(folder, { threads: 1, budgetMacs: model.policy.costs.exitMacs[1]! });
  expect(thrifty.lambda).toBe(0.1); // the calibration of `tinyModel`: exit 2 at 0.1
  await thrifty.close();
});
