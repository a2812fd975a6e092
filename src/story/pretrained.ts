import { createRequire } from "node:module";
import { dirname } from "node:path";

/** The name under which the network that comes with the package is asked for: `--from cifar10`. */
export const PRETRAINED = "cifar10";

/** The folder of that network: `compact`, which learned from 45,000 photographs of CIFAR-10. */
export function pretrainedFolder(): string {
  return dirname(createRequire(import.meta.url).resolve("#pretrained"));
}
