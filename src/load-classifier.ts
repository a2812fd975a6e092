import { readImage } from "./dataset/image-file.ts";
import { AdaptiveClassifier as Classifier } from "./inference/adaptive-classifier.ts";
import { loadModel } from "./model/model-folder.ts";
import { createNodeRuntime } from "./runtime/node.ts";
import type { Runtime } from "./runtime/runtime.ts";

export interface ClassifierOptions {
  /** Price of the full network in units of one correct answer; default: the model's recommended one. */
  readonly lambda?: number;
  /** Default: `createNodeRuntime()`, the cpu. */
  readonly runtime?: Runtime;
}

/** In Node an image is the path or the bytes of a JPEG, PNG or WebP file. */
export type AdaptiveClassifier = Classifier<string | Uint8Array>;

export const AdaptiveClassifier = {
  /**
   * @param folder a model folder
   * @throws {UserError} if the folder holds no model with a policy, or lambda is outside what it was trained for
   */
  async load(
    folder: string,
    { lambda, runtime = createNodeRuntime() }: ClassifierOptions = {},
  ): Promise<AdaptiveClassifier> {
    return Classifier.create(runtime, await loadModel(folder), readImage, lambda);
  },
};
