/** An 8-bit network from the files of a model folder. */
import { z } from "zod";
import { UserError } from "../errors.ts";
import { floatArray, type StoredArray } from "../files/safetensors.ts";
import { type BlueprintNetworkParts, blueprintNetwork } from "../network/blueprint-network.ts";
import type { ImportedNetwork } from "../network/imported-network.ts";
import { type QuantisedNetwork, quantisedNetwork, type Rounding, withoutBlocks } from "./quantised-network.ts";
import { weightsOfStored } from "./stored.ts";

const step = z.int().min(0).max(255);

/** `Rounding` as `model.json` has it. */
export const roundingSchema = z.object({
  weightBits: z.union([z.literal(7), z.literal(8)]),
  kept: z.array(z.array(z.int().min(0))),
  points: z.array(z.array(z.object({ of: z.string(), scale: z.number().positive(), zero: step }))),
});

/** A network of somebody else's in 8 bits. @throws {UserError} if the scales are of another network */
export function readImportedQuantised(base: ImportedNetwork, described: unknown, where: string): QuantisedNetwork {
  const parsed = roundingSchema.safeParse(described);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new UserError(
      `${where}/model.json: scales expected, found at network.rounding.${path.join(".")}: ${message}; quantise the network again`,
    );
  }
  try {
    return quantisedNetwork(withoutBlocks(base), parsed.data);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UserError(`${where}/model.json: ${cause.message}; quantise the network again`, { cause });
  }
}

/**
 * @param arrays of `network.safetensors`
 * @param where that file, for messages
 * @throws {UserError} if an array is missing, or the scales are of another network
 */
export function readQuantised(
  parts: Omit<BlueprintNetworkParts, "weights">,
  rounding: Rounding,
  arrays: ReadonlyMap<string, StoredArray>,
  where: string,
): QuantisedNetwork {
  try {
    const weights = weightsOfStored(arrays, (name) =>
      floatArray(arrays, name, arrays.get(name)?.shape.length ?? 1, where),
    );
    return quantisedNetwork(blueprintNetwork({ ...parts, weights }), rounding);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UserError(`${where}: ${cause.message}; quantise the network again`, { cause });
  }
}
