import { sha256 as portable } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { UserError } from "../errors.ts";

/** The part of Node that is looked at; absent in a browser. */
interface Host {
  readonly process?: { getBuiltinModule?(name: "node:crypto"): { createHash(algorithm: "sha256"): Hash } };
}
interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

/**
 * SHA-256 over the parts, one after the other, in hex. Node's own is ten times as fast; a browser's own is asynchronous, so
 * there it is a library's. Both give the same.
 */
export function sha256(...parts: readonly Uint8Array[]): string {
  return sha256Of(parts);
}

/** The same over parts that come one by one. */
export function sha256Of(parts: Iterable<Uint8Array>): string {
  const node = (globalThis as Host).process?.getBuiltinModule?.("node:crypto");
  if (!node) return sha256Portable(...parts);
  const hash = node.createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** What `sha256` does where there is no Node. */
export function sha256Portable(...parts: readonly Uint8Array[]): string {
  const hash = portable.create();
  for (const part of parts) hash.update(part);
  return bytesToHex(hash.digest());
}

/** What a file says of another one that belongs to it. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

export function digestOf(bytes: Uint8Array): FileDigest {
  return { bytes: bytes.length, sha256: sha256(bytes) };
}

/** @param where the file's name, for the message. @throws {UserError} if the bytes are others than those that were described */
export function checkDigest(bytes: Uint8Array, expected: FileDigest, where: string): void {
  const advice = "the file is damaged, or belongs to another folder; get it again";
  if (bytes.length !== expected.bytes)
    throw new UserError(`${where}: ${expected.bytes} bytes expected, found ${bytes.length}; ${advice}`);
  const found = sha256(bytes);
  if (found !== expected.sha256)
    throw new UserError(
      `${where}: SHA-256 ${expected.sha256.slice(0, 12)}... expected, found ${found.slice(0, 12)}...; ${advice}`,
    );
}
