import { createRequire } from "node:module";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { loadModel } from "../model/model-folder.ts";
import type { BlueprintNetwork } from "../network/blueprint-network.ts";

/** The name under which the network that comes with the package is asked for: `--from cifar10`. */
export const PRETRAINED = "cifar10";

/** The folder of that network: `compact`, which learned from 45,000 photographs of CIFAR-10. */
export function pretrainedFolder(): string {
  return dirname(createRequire(import.meta.url).resolve("#pretrained"));
}

/**
 * The network that a training starts from.
 *
 * @param from a model folder, or `PRETRAINED`
 * @throws {UserError} if there is no model there, or one whose weights are not ours
 */
export async function loadStart(from: string): Promise<BlueprintNetwork> {
  const folder = from === PRETRAINED ? pretrainedFolder() : from;
  const { network } = await loadModel(folder);
  if (network.description.kind !== "blueprint")
    throw new UserError(
      `from: a model with a network from a blueprint expected, found another kind in ${folder}; give another`,
    );
  return network as BlueprintNetwork;
}
