/** The classifier that stops, as Node loads it. */
import { fileURLToPath } from "node:url";
import type { ImageShape } from "../dataset/dataset.ts";
import { readImage } from "../dataset/image-file.ts";
import { AdaptiveClassifier as Classifier, type StartOptions } from "../inference/adaptive-classifier.ts";
import { type FetchOptions, fetchModel } from "../inference/fetch-model.ts";
import { loadModel } from "../model/model-folder.ts";
import { createNodeRuntime } from "../runtime/node.ts";

export type { BatchOptions, ClassifyOptions } from "../inference/adaptive-classifier.ts";
export type { RawImage } from "../inference/images.ts";

/** `slim` is true by default where a model is fetched, but where `precise` needs the whole one. */
export interface ClassifierOptions extends StartOptions, FetchOptions {
  /** Where to compute: "cpu" (default), "webgpu" or "cuda". */
  readonly device?: string;
  /** Threads of each operator; default: the cores that this process may use. */
  readonly threads?: number;
}

/** A picture's file: its path or `file://` address, its bytes, or a `Blob` of them. JPEG, PNG, WebP, AVIF, GIF and TIFF can be read. */
export type NodeImage = string | URL | Uint8Array | Blob;

/** In Node an image is a file as `NodeImage` says, or a `RawImage`. */
export type AdaptiveClassifier = Classifier<NodeImage>;

export const AdaptiveClassifier = {
  /**
   * @param folder a model that comes with the package by its name ("cifar10", "shapes"), a model folder, or the `file://` or http(s)
   *   address of one
   * @throws {UserError} if there is no model with a policy, the device is not there, or the dial is outside what the model was
   *   trained for
   */
  async load(folder: string | URL, options: ClassifierOptions = {}): Promise<AdaptiveClassifier> {
    const { device, threads } = options;
    const runtime = createNodeRuntime({
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
    });
    const address = String(folder);
    const { slim = options.precise === undefined } = options;
    const isRemote = /^https?:\/\//.test(address);
    const model = await (isRemote ? fetchModel(address, { ...options, slim }) : loadModel(address, options));
    return Classifier.create(runtime, model, readNodeImage, options);
  },
};

async function readNodeImage(image: NodeImage, shape: ImageShape): Promise<Uint8Array> {
  if (image instanceof Blob) return readImage(new Uint8Array(await image.arrayBuffer()), shape);
  if (image instanceof URL || (typeof image === "string" && image.startsWith("file:")))
    return readImage(fileURLToPath(image), shape);
  return readImage(image, shape);
}
