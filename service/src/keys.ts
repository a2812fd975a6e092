/** Keys: kept as SHA-256, compared in constant time. */
import { createHash, timingSafeEqual } from "node:crypto";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** What stands behind `Authorization: Bearer `, or in `x-api-key`. */
export function keyOf({ authorization, "x-api-key": plain }: Record<string, unknown>): string | null {
  const bearer = typeof authorization === "string" ? /^Bearer (.+)$/.exec(authorization)?.[1] : undefined;
  return bearer ?? (typeof plain === "string" ? plain : null);
}

/** @returns whether a request brings one of the keys */
export function keyCheck(keys: readonly string[]): (headers: Record<string, unknown>) => boolean {
  const known = keys.map(digest);
  return (headers) => {
    const given = digest(keyOf(headers) ?? "");
    return known.map((key) => timingSafeEqual(key, given)).includes(true);
  };
}
