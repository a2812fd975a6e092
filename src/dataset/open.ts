import { stat } from "node:fs/promises";
import { type Dataset, type DatasetParts, type ImageShape, splitParts } from "./dataset.ts";
import { type DownloadProgress, defaultCacheFolder, downloadCifar10 } from "./download.ts";
import { loneArchive } from "./open-files.ts";
import { openSource } from "./open-source.ts";
import { diskFiles, openKnownPictures, openPictures, type PictureOptions } from "./pictures.ts";
import { rescaled } from "./rescale.ts";
import { drawShapesParts } from "./shapes.ts";

/** What pictures are scaled to where nobody says. */
const DEFAULT_SIZE = 64;

export interface OpenOptions {
  /** Pictures are scaled to so many pixels in height and width, or to [C, H, W]; default: chosen for them, or what a set of fixed size has. */
  readonly size?: number | ImageShape;
  /** [K] names in the order of the labels, where it is known already; default: those found, sorted. Where other classes are found, those found. */
  readonly classes?: readonly string[];
  /** A table with a column of file names and one of classes: its name among the files, or its path. */
  readonly labels?: string;
  /** Leaves out pictures that cannot be read; default: an error names them. */
  readonly skipBroken?: boolean;
  /** Told while pictures are decoded. */
  readonly onPicture?: (done: number, total: number) => void;
  /** Share of the training part that becomes the validation split, 0 < x < 1; default 0.1, of few pictures more. */
  readonly validationFraction?: number;
  /** Decides which training images go to validation; default 1. The test split never depends on it. */
  readonly seed?: number;
  /** Reads the test part alone: `train` and `validation` are null. */
  readonly testOnly?: boolean;
  /** Takes nothing from the training part: where there is no test part all pictures are one, `test`; `train` and `validation` are null. */
  readonly whole?: boolean;
  /** Where `cifar10` is downloaded to and decoded pictures are kept; default `defaultCacheFolder()`. */
  readonly cacheFolder?: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Told what the user should know. */
  readonly onNote?: (text: string) => void;
  /** Ends the decoding; what is decoded is kept. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a dataset and splits its training part into train and validation, stratified and seeded. Nothing is chosen here: 64 pixels and a
 * tenth where nobody says, see `openDataset` of the story.
 *
 * @param source `shapes` (built in, drawn), `cifar10` (the official archive, downloaded once), or the path of a folder,
 *   `.zip`, `.tar`, `.tar.gz` or `.parquet` whose layout is recognised by its files (a folder of one of these names: `./shapes`)
 * @throws {UserError} if there is nothing at the path, its layout is unknown, or a file is damaged
 */
export async function openDataset(source: string, options: OpenOptions = {}): Promise<Dataset> {
  const { validationFraction = 0.1, seed = 1, testOnly = false, whole = false } = options;
  if (!(validationFraction > 0 && validationFraction < 1)) {
    throw new RangeError(`openDataset: expected a validationFraction between 0 and 1, found ${validationFraction}`);
  }
  const found = await readParts(source, testOnly, options);
  const parts = whole ? onePart(found) : found;
  const dataset = splitParts(parts, validationFraction, seed);
  await parts.remember?.();
  return dataset;
}

async function readParts(source: string, testOnly: boolean, options: OpenOptions): Promise<DatasetParts> {
  if (source === "shapes") return drawShapesParts(testOnly ? { trainCount: 0 } : {});
  if (source !== "cifar10") return readPath(source, testOnly, options);
  const { cacheFolder = defaultCacheFolder(), onProgress = () => {} } = options;
  return readPath(await downloadCifar10({ cacheFolder, onProgress }), testOnly, options);
}

function onePart(parts: DatasetParts): DatasetParts {
  return { ...parts, training: null, validation: null, test: parts.test ?? parts.training };
}

/** Pictures of any kind, or a set of pixels. */
async function readPath(given: string, testOnly: boolean, options: OpenOptions): Promise<DatasetParts> {
  const path = await loneArchive(given);
  const { cacheFolder = defaultCacheFolder(), labels } = options;
  const pictures = pictureOptions(options, cacheFolder);
  const found = await stat(path).catch(() => null);
  if (found?.isFile() && !labels) {
    const known = await openKnownPictures(path, diskFiles(path, []), pictures); // an archive need not be unpacked again
    if (known) return known;
  }
  const source = await openSource(path, { cacheFolder, testOnly, ...(labels ? { labels } : {}) });
  try {
    if (source.kind === "pixels") return ownSize(await source.layout.read(source.files, testOnly), options.size);
    for (const note of source.pictures.notes) pictures.onNote(note);
    return await openPictures(source.pictures, source.disk, pictures);
  } finally {
    await source.files.close();
  }
}

function pictureOptions(options: OpenOptions, cacheFolder: string): PictureOptions {
  const { size = DEFAULT_SIZE, classes = null, skipBroken = false, signal } = options;
  const { onPicture: onProgress = () => {}, onNote = () => {} } = options;
  const shape: ImageShape = typeof size === "number" ? [3, size, size] : size;
  return { shape, classes, skipBroken, cacheFolder, onProgress, onNote, ...(signal ? { signal } : {}) };
}

/** A set of pixels keeps its channels where only a size is asked for. */
function ownSize(parts: DatasetParts, size: OpenOptions["size"]): DatasetParts {
  if (size === undefined) return parts;
  return rescaled(parts, typeof size === "number" ? [parts.imageShape[0], size, size] : size);
}
