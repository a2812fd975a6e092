import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { sha256, sha256Portable } from "../../src/files/sha256.ts";
import { integer, seededRandom } from "../../src/random.ts";

const hex = (...parts: readonly Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

test("the digest of the empty message, from the standard", () => {
  expect(sha256Portable()).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("every length around the block size, in one part or two: what Node computes", () => {
  const random = seededRandom(3);
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, () => integer(random, 0, 255));
    const cut = integer(random, 0, length);
    expect(sha256Portable(bytes)).toBe(hex(bytes));
    expect(sha256Portable(bytes.subarray(0, cut), bytes.subarray(cut))).toBe(hex(bytes));
    expect(sha256(bytes)).toBe(hex(bytes));
  }
});
