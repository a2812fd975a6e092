import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readTableFile } from "../../src/cli/tables.ts";
import { decodeSafetensors, encodeSafetensors, type StoredArray } from "../../src/files/safetensors.ts";
import { readSafetensorsFile } from "../../src/files/safetensors-file.ts";
import { sha256 } from "../../src/files/sha256.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-safetensors-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ARRAYS = new Map<string, StoredArray>([
  ["a", { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ["b", { shape: [0], data: new Int32Array(0) }],
  ["c", { shape: [3], data: Float64Array.of(0.1, 2 ** 53, -1) }],
]);

test("the same as from bytes, and nothing that was not asked for", async () => {
  const bytes = encodeSafetensors(ARRAYS);
  writeFileSync(at("file"), bytes);
  const read = await readSafetensorsFile(at("file"), ["c", "b", "d"]);
  expect(read.arrays).toEqual(new Map(["c", "b"].map((name) => [name, decodeSafetensors(bytes, "x").get(name)!])));
  expect(read.held).toEqual(["a F32 [2, 3]", "b I32 [0]", "c F64 [3]"]);
  expect(read.sha256).toBe(sha256(bytes));
});

test.each<[string, Uint8Array, RegExp]>([
  ["cut short", encodeSafetensors(ARRAYS).subarray(0, -1), /24 bytes for c expected, found 23; the file is damaged/],
  ["longer", new Uint8Array([...encodeSafetensors(ARRAYS), 0]), /an end behind the last array/],
  ["another kind of file", new TextEncoder().encode("label,logit\n1,2\n"), /a header of at most 8 bytes expected/],
  ["nothing", new Uint8Array(), /at least 8 bytes expected, found 0/],
])("%s: one line that says so", async (_, bytes, message) => {
  writeFileSync(at("broken"), bytes);
  await expect(readSafetensorsFile(at("broken"), ["a"])).rejects.toThrow(message);
});

test("no such file", async () => {
  await expect(readSafetensorsFile(at("nowhere"), ["a"])).rejects.toThrow(/found nothing there .*; check the path/);
});

/** 3 images, 2 exits, 2 classes, behind 2.2 GB of something else: a file with a hole, which takes no room on the disk. */
function writeLargeTable(path: string): void {
  const hole = 2_200_000_000;
  const entry = (dtype: string, shape: number[], from: number, bytes: number) => ({
    dtype,
    shape,
    data_offsets: [from, from + bytes],
  });
  const header = {
    features: entry("U8", [hole], 0, hole),
    logits: entry("F32", [3, 2, 2], hole, 48),
    labels: entry("I64", [3], hole + 48, 24),
    costs: entry("F32", [2], hole + 72, 8),
  };
  const json = Buffer.from(JSON.stringify(header));
  const file = openSync(path, "w");
  writeSync(file, new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer), 0, 8, 0);
  writeSync(file, json, 0, json.length, 8);
  const start = 8 + json.length + hole;
  ftruncateSync(file, start);
  const values = [
    Float32Array.of(1, 0, 2, 0, 0, 1, 0, 2, 1, 0, 0, 3),
    BigInt64Array.of(0n, 1n, 1n),
    Float32Array.of(1.5, 4),
  ].map(({ buffer }) => Buffer.from(buffer));
  const last = Buffer.concat(values);
  writeSync(file, last, 0, last.length, start);
  closeSync(file);
}

test("a table that lies behind the first two GiB of its file", { timeout: 180_000 }, async () => {
  writeLargeTable(at("large.safetensors"));
  const { table, costs, dataset } = await readTableFile(at("large.safetensors"));
  expect(table.logits).toEqual(Float32Array.of(1, 0, 2, 0, 0, 1, 0, 2, 1, 0, 0, 3));
  expect([...table.labels]).toEqual([0, 1, 1]);
  expect(costs).toEqual([1.5, 4]);
  expect(dataset.sha256).toMatch(/^[0-9a-f]{64}$/);
});
