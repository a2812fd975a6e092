/** The classifier that stops, as a page loads it. */
import type { ImageShape } from "../dataset/dataset.ts";
import { type ImageDataLike, imageDataPixels } from "../dataset/scale.ts";
import { UserError } from "../errors.ts";
import { AdaptiveClassifier as Classifier, type StartOptions } from "../inference/adaptive-classifier.ts";
import { type FetchOptions, fetchModel } from "../inference/fetch-model.ts";
import type { Model } from "../model/model.ts";
import { beginRuntime } from "../runtime/begin-runtime.ts";
import { createWebRuntime, type WebRuntimeOptions } from "../runtime/web.ts";

/** `slim` is true by default, but where `precise` needs the whole model. */
export interface ClassifierOptions extends StartOptions, WebRuntimeOptions, FetchOptions {}

/** What a canvas can draw: an `HTMLImageElement`, `HTMLCanvasElement`, `ImageBitmap`, `OffscreenCanvas`. */
export interface Drawable {
  readonly width: number;
  readonly height: number;
}

/** The address of a picture, its file (a `File` is a `Blob`) or the file's bytes, or something that can be drawn. */
export type WebImage = string | Blob | Uint8Array | Drawable;

/** In a browser an image is a `WebImage` or, as everywhere, a `RawImage`: `ImageData`, pixels or a tensor. */
export type AdaptiveClassifier = Classifier<WebImage>;

export const AdaptiveClassifier = {
  /**
   * @param address of a model folder; may be relative to the page
   * @throws {UserError} if there is no model with a policy, the device is not there, or the dial is outside what the model was
   *   trained for
   */
  async load(address: string, options: ClassifierOptions = {}): Promise<AdaptiveClassifier> {
    const { slim = options.precise === undefined } = options;
    const [runtime, model] = await Promise.all([
      createWebRuntime(options).then(beginRuntime),
      fetchModel(address, { ...options, slim }),
    ]);
    return Classifier.create(runtime, model, readImage, options);
  },

  /** One that was trained in the page. @throws {UserError} as `load` does */
  async create(model: Model, options: ClassifierOptions = {}): Promise<AdaptiveClassifier> {
    return Classifier.create(await createWebRuntime(options), model, readImage, options);
  },
};

// What is used of the browser, declared here so that the rest of the package is checked without it.
type Bitmap = Drawable & { close(): void };
declare function createImageBitmap(image: Blob | Drawable): Promise<Bitmap>;
declare const OffscreenCanvas: new (width: number, height: number) => { getContext(kind: "2d"): Canvas | null };
interface Canvas {
  drawImage(image: Drawable, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): ImageDataLike;
}

/**
 * Decoded by the browser, turned as its EXIF orientation says, then made to fit just as `ImageData` is.
 *
 * @returns [C, H, W] bytes 0..255, as a classifier reads them
 * @throws {UserError} if the browser cannot read the picture
 */
export async function readImage(image: WebImage, shape: ImageShape): Promise<Uint8Array> {
  const source = typeof image === "string" ? await fetchPicture(image) : image;
  const file = source instanceof Uint8Array ? new Blob([new Uint8Array(source)]) : source;
  const bitmap = await createImageBitmap(file).catch((cause: Error) => {
    throw new UserError(`image: a picture that the browser reads expected, found ${cause.message}; check the file`, {
      cause,
    });
  });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  if (!canvas) throw new UserError("image: a canvas of two dimensions expected, found none; use another browser");
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  return imageDataPixels(canvas.getImageData(0, 0, width, height), shape);
}

async function fetchPicture(url: string): Promise<Blob> {
  const response = await fetch(url);
  if (response.ok) return response.blob();
  throw new UserError(`${url}: a picture expected, found status ${response.status}; check the address`);
}
