/** Where the twin of a model lies: the same network in 8 bits, in a folder beside it. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { onDisk } from "../files/disk-errors.ts";
import { LIMIT_TEXT } from "../files/reader.ts";
import { readInFolder } from "../files/writer.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import { modelFolder } from "./bundled.ts";

/** Of a `model.json` what tells whose twin it is; models written before `quantisedFrom` was do not say it. */
const namingSchema = z.object({ provenance: z.object({ quantisedFrom: z.string().optional() }) });

/**
 * The folder of a float model's twin in 8 bits: `<folder>-int8`, or else the first one beside it, by name, whose `model.json` names the
 * network as the one it was made from (`provenance.quantisedFrom`). null where there is none, and for a network in 8 bits.
 *
 * @param given the model's folder, or the name of one that comes with the package
 * @throws {UserError} if `<folder>-int8` names another network
 */
export async function findTwin(
  given: string,
  { sha256, precision }: Pick<StagedNetwork, "sha256" | "precision">,
): Promise<string | null> {
  if (precision === "int8") return null;
  const folder = modelFolder(given).replace(/(?<=.)[\\/]+$/, "");
  const beside = `${folder}-int8`;
  const expected = await quantisedFrom(beside);
  if (expected !== undefined) {
    if (expected === null || expected === sha256) return beside;
    throw new UserError(
      `${beside}: a model made from the network ${short(sha256)} of ${folder} expected, found one made from ${short(expected)}; ` +
        "make it again with 'earlyexit quantise', or move it away",
    );
  }
  const around = dirname(resolve(folder));
  const entries = await onDisk(around, "a folder", () => readdir(around, { withFileTypes: true }));
  const names = entries.filter((one) => one.isDirectory() && one.name !== basename(resolve(folder)));
  for (const name of names.map((one) => one.name).sort()) {
    const other = join(dirname(folder), name);
    if ((await quantisedFrom(other).catch(() => null)) === sha256) return other; // damaged ones are nobody's twins
  }
  return null;
}

/** The network that a model says it was made from; null where it does not say so, undefined where there is no model. */
async function quantisedFrom(folder: string): Promise<string | null | undefined> {
  const bytes = await readInFolder(folder, "model.json", { limitBytes: LIMIT_TEXT });
  if (!bytes) return undefined;
  const { data } = namingSchema.safeParse(jsonOf(bytes));
  return data?.provenance.quantisedFrom ?? null;
}

/** null where it is none: who loads the model says what is wrong with it. */
function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

function short(sha256: string): string {
  return `${sha256.slice(0, 12)}...`;
}
