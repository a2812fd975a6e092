import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { modelDigest } from "../../src/model/model-folder.ts";
import { temporaryFolder } from "../dataset/cifar-files.ts";

const shipped = new URL("../../models/shapes", import.meta.url).pathname;
const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

test("a model is known by its model.json, and by the new one once a replacement has taken its step", async () => {
  const folder = join(temporaryFolder(), "model");
  cpSync(shipped, folder, { recursive: true });
  expect(await modelDigest(folder)).toBe(sha256(readFileSync(join(shipped, "model.json"))));
  mkdirSync(join(folder, ".earlyexit-next")); // as a writer leaves it that is killed before it moved its files
  writeFileSync(join(folder, ".earlyexit-next/model.json"), "{}");
  expect(await modelDigest(folder)).toBe(sha256("{}"));
  await expect(modelDigest(temporaryFolder())).rejects.toThrow("a model folder with model.json expected, found none");
});
