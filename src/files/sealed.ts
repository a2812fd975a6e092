/** JSON that vouches for itself: its last field is a digest of all before it, so that no number in it changes unnoticed. */
import { UserError } from "../errors.ts";
import { sha256 } from "./sha256.ts";

/** The text of an object with its seal: `sha256`, of `JSON.stringify` of the object without that field. */
export function sealed(json: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ ...json, sha256: sealOf(json) }, null, 2)}\n`);
}

/** The object without its seal. @param where the file's name. @throws {UserError} if it is no object, or was changed since it was sealed */
export function unsealed(json: unknown, where: string): Record<string, unknown> {
  const { sha256: seal, ...rest } = fieldsOf(json, where);
  const found = sealOf(rest);
  if (seal === found) return rest;
  throw new UserError(
    `${where}: contents with the SHA-256 that it names (${String(seal).slice(0, 12)}...) expected, found ${found.slice(0, 12)}...; ` +
      "it was changed after it was written, get it again",
  );
}

/** @throws {UserError} unless it is an object */
export function fieldsOf(json: unknown, where: string): Record<string, unknown> {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new UserError(`${where}: a JSON object expected, found ${JSON.stringify(json).slice(0, 20)}; get it again`);
}

function sealOf(json: object): string {
  return sha256(new TextEncoder().encode(JSON.stringify(json)));
}
