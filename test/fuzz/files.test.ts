/**
 * Every kind of file that is read, damaged at random: it loads as it was, or it is one `UserError`; where a digest can tell, it never
 * loads as something else. `npm run test:long` tries 1,000 cases a kind, `npm test` a few.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { create } from "tar";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readImage } from "../../src/dataset/image-file.ts";
import { openDataset } from "../../src/dataset/open.ts";
import { UserError } from "../../src/errors.ts";
import { decodeTableFile } from "../../src/exits/table-file.ts";
import { parseJson } from "../../src/files/json.ts";
import { decodeSafetensors, encodeSafetensors, type StoredArray } from "../../src/files/safetensors.ts";
import { checkpointFiles, readCheckpoint } from "../../src/model/checkpoint.ts";
import { modelFiles, tablePolicyFiles } from "../../src/model/model.ts";
import { readModel, readTablePolicy } from "../../src/model/read-model.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { builtInBlueprint } from "../../src/network/blueprints.ts";
import { checkBlueprint } from "../../src/network/cost.ts";
import { seededRandom } from "../../src/random.ts";
import { handMadeAgent, modelOf, network, policyOf } from "../inference/small.ts";
import { MUTATIONS } from "./mutations.ts";

/** Cases a kind of file. */
const CASES = process.env.EARLYEXIT_LONG ? 1000 : 40;
const SLOWEST_MS = 10_000;
const names = Object.keys(MUTATIONS);

interface Tally {
  loaded: number;
  refused: number;
}

/**
 * @param load what reads the file; what it gives is compared with `same`
 * @param same whether what was loaded is what was saved; absent where nothing can tell
 */
async function fuzz<T>(
  seed: number,
  bytes: Uint8Array,
  load: (damaged: Uint8Array) => T | Promise<T>,
  same?: (loaded: T) => void,
  cases = CASES,
): Promise<Tally> {
  const tally = { loaded: 0, refused: 0 };
  for (let i = 0; i < cases; i++) {
    const kind = names[i % names.length]!;
    const damaged = MUTATIONS[kind]!(bytes, seededRandom(seed, i));
    const started = performance.now();
    const outcome: unknown = await Promise.resolve()
      .then(() => load(damaged))
      .then((loaded) => {
        same?.(loaded);
      })
      .catch((error: unknown) => error);
    expect(performance.now() - started, `seed ${seed}, case ${i} (${kind})`).toBeLessThan(SLOWEST_MS);
    if (outcome === undefined) tally.loaded++;
    else {
      if (!(outcome instanceof UserError)) throw new Error(`seed ${seed}, case ${i} (${kind})`, { cause: outcome });
      expect(outcome.message, `case ${i}`).toMatch(/expect(ed|s)\b/);
      expect(outcome.message.length, `case ${i}`).toBeLessThan(1000);
      tally.refused++;
    }
  }
  return tally;
}

/** A file of several that belong together. */
const within = (files: ReadonlyMap<string, Uint8Array>, name: string, damaged: Uint8Array) => async (file: string) =>
  (file === name ? damaged : files.get(file)) ?? null;

describe("a model", () => {
  const made = modelOf(handMadeAgent());
  const files = modelFiles({ ...made, figures: { accuracy: 0.5, samples: 7 } });
  test.each([...files.keys()].map((name, i) => [name, i] as const))("%s", async (name, i) => {
    const { refused } = await fuzz(
      i,
      files.get(name)!,
      (damaged) => readModel(within(files, name, damaged), "m"),
      (model) => expect(modelFiles(model)).toEqual(files),
    );
    expect(refused).toBeGreaterThan(0.7 * CASES); // some changes mean the same: a space in JSON, zeros over zeros
  });
});

describe("a policy folder", () => {
  const policy = { ...policyOf(handMadeAgent()), costUnit: "mJ" };
  const dataset = { name: "t", sha256: "ab" };
  const files = tablePolicyFiles({ policy, dataset, seed: 1, version: "0.1.0" });
  test.each([...files.keys()].map((name, i) => [name, i] as const))("%s", async (name, i) => {
    await fuzz(
      10 + i,
      files.get(name)!,
      (damaged) => readTablePolicy(within(files, name, damaged), "p"),
      (loaded) => expect(tablePolicyFiles(loaded)).toEqual(files),
    );
  });
});

describe("a checkpoint", () => {
  const variables = new Map([...network.weights].slice(0, 6));
  const files = checkpointFiles({ step: 12, data: { train: "ab" }, variables, looks: [0.5] });
  test.each([...files.keys()].map((name, i) => [name, i] as const))("%s", async (name, i) => {
    await fuzz(
      20 + i,
      files.get(name)!,
      (damaged) => readCheckpoint(within(files, name, damaged), "c"),
      (loaded) => expect(checkpointFiles(loaded!)).toEqual(files),
    );
  });
});

describe("a model of format 1, which has no digests", () => {
  const folder = new URL("../model/format-1/model/", import.meta.url);
  const list = ["model.json", "network.safetensors", "policy.safetensors", "validation.safetensors"];
  const files = new Map(list.map((name) => [name, new Uint8Array(readFileSync(new URL(name, folder)))]));
  test.each(list.map((name, i) => [name, i] as const))("%s", async (name, i) => {
    await fuzz(30 + i, files.get(name)!, (damaged) => readModel(within(files, name, damaged), "m"));
  });
});

describe("files without a digest", () => {
  test("an exit table", async () => {
    const arrays = new Map<string, StoredArray>([
      ["logits", { shape: [20, 3, 4], data: Float32Array.from({ length: 240 }, (_, i) => Math.sin(i)) }],
      ["labels", { shape: [20], data: Int32Array.from({ length: 20 }, (_, i) => i % 4) }],
      ["costs", { shape: [3], data: Float32Array.of(1, 2, 3) }],
    ]);
    await fuzz(40, encodeSafetensors(arrays), (damaged) => {
      const { table } = decodeTableFile(damaged, "t");
      expect(table.logits.every(Number.isFinite) && table.labels.every((one) => one < table.classes)).toBe(true);
    });
  });

  test("any arrays", async () => {
    await fuzz(41, encodeSafetensors(network.weights), (damaged) => {
      let values = 0;
      for (const { data } of decodeSafetensors(damaged, "w").values()) values += data.byteLength;
      expect(values).toBeLessThanOrEqual(2 * damaged.length);
    });
  });

  test("a blueprint", async () => {
    const bytes = new TextEncoder().encode(JSON.stringify(builtInBlueprint("tiny")));
    await fuzz(42, bytes, (damaged) => checkBlueprint(parseBlueprint(parseJson(damaged, "b")), 10));
  });
});

describe("pictures and data sets", () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-fuzz-"));
  const image = sharp(Buffer.from(Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * 7) % 256)), {
    raw: { width: 40, height: 30, channels: 3 },
  });
  const data = join(folder, "data");
  let archive: Uint8Array;

  beforeAll(async () => {
    mkdirSync(data);
    const records = (count: number) =>
      Uint8Array.from({ length: 3073 * count }, (_, i) => (i % 3073 === 0 ? (i / 3073) % 10 : i % 251));
    writeFileSync(join(data, "data_batch_1.bin"), records(20));
    writeFileSync(join(data, "test_batch.bin"), records(10));
    writeFileSync(join(data, "batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
    const tar = create({ cwd: data, sync: true, portable: true }, [
      "data_batch_1.bin",
      "test_batch.bin",
      "batches.meta.txt",
    ]);
    archive = new Uint8Array(gzipSync(tar.read()!));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(["png", "jpeg", "webp"] as const)("a %s", async (format) => {
    const bytes = new Uint8Array(await image.clone().toFormat(format).toBuffer());
    await fuzz(50 + format.length, bytes, (damaged) => readImage(damaged, [3, 16, 16]));
  });

  test.each(["data_batch_1.bin", "batches.meta.txt"])("a folder with a damaged %s", async (name) => {
    const path = join(data, name);
    const bytes = new Uint8Array(readFileSync(path));
    await fuzz(
      60 + name.length,
      bytes,
      (damaged) => {
        writeFileSync(path, damaged);
        return openDataset(data);
      },
      undefined,
      CASES / 4,
    );
    writeFileSync(path, bytes);
  });

  test("a .tar.gz", async () => {
    const path = join(folder, "data.tar.gz");
    await fuzz(
      70,
      archive,
      (damaged) => {
        writeFileSync(path, damaged);
        return openDataset(path, { cacheFolder: join(folder, "cache") });
      },
      undefined,
      CASES / 4,
    );
  });
});
