/** The models that come with the package, by name. */
import { fileURLToPath } from "node:url";

export const BUNDLED_MODELS = ["cifar10", "shapes"] as const;

/**
 * The folder of a model: that of a bundled one for its name, else what was given, a `file://` address as a path. A folder of one's own
 * that is called like a bundled model is written `./cifar10`.
 */
export function modelFolder(given: string | URL): string {
  const text = String(given);
  if (text.startsWith("file:")) return fileURLToPath(text);
  const name = BUNDLED_MODELS.find((one) => one === text);
  return name ? fileURLToPath(new URL(`../../models/${name}`, import.meta.url)) : text;
}
