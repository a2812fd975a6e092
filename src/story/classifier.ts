/** The classifier that stops, as Node loads it. */
import { readImage } from "../dataset/image-file.ts";
import { AdaptiveClassifier as Classifier, type StartOptions } from "../inference/adaptive-classifier.ts";
import { fetchModel } from "../inference/fetch-model.ts";
import { loadModel } from "../model/model-folder.ts";
import { createNodeRuntime } from "../runtime/node.ts";

export type { BatchOptions, ClassifyOptions } from "../inference/adaptive-classifier.ts";
export type { RawImage } from "../inference/images.ts";

export interface ClassifierOptions extends StartOptions {
  /** Where to compute: "cpu" (default), "webgpu" or "cuda". */
  readonly device?: string;
  /** Threads of each operator; default: the cores that this process may use. */
  readonly threads?: number;
}

/** In Node an image is the path or the bytes of a JPEG, PNG or WebP file, or a `RawImage`. */
export type AdaptiveClassifier = Classifier<string | Uint8Array>;

export const AdaptiveClassifier = {
  /**
   * @param folder a model folder, or its http(s) address
   * @throws {UserError} if there is no model with a policy, the device is not there, or the dial is outside what the model was
   *   trained for
   */
  async load(folder: string, options: ClassifierOptions = {}): Promise<AdaptiveClassifier> {
    const { device, threads } = options;
    const runtime = createNodeRuntime({ ...(device ? { device } : {}), ...(threads ? { threads } : {}) });
    const model = await (/^https?:\/\//.test(folder) ? fetchModel(folder) : loadModel(folder));
    return Classifier.create(runtime, model, readImage, options);
  },
};
