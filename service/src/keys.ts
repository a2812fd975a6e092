/** Keys: kept as SHA-256, compared in constant time. */
import { createHash, timingSafeEqual } from "node:crypto";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** @returns whether what stands behind `Authorization: Bearer ` (or in `x-api-key`) is one of the keys */
export function keyCheck(keys: readonly string[]): (headers: Record<string, unknown>) => boolean {
  const known = keys.map(digest);
  return ({ authorization, "x-api-key": plain }) => {
    const bearer = typeof authorization === "string" ? /^Bearer (.+)$/.exec(authorization)?.[1] : undefined;
    const given = digest(bearer ?? (typeof plain === "string" ? plain : ""));
    return known.map((key) => timingSafeEqual(key, given)).includes(true);
  };
}
