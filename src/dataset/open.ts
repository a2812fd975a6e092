import { UserError } from "../errors.ts";
import { cifar10Layout, cifar100Layout } from "./cifar.ts";
import { type Dataset, type DatasetParts, type ImageShape, splitParts } from "./dataset.ts";
import { type DownloadProgress, defaultCacheFolder, downloadCifar10 } from "./download.ts";
import type { Layout } from "./layout.ts";
import { isPictureName, readPictures } from "./pictures.ts";
import { drawShapesParts } from "./shapes.ts";
import { openSourceFiles } from "./source-files.ts";

const LAYOUTS: readonly Layout[] = [cifar10Layout, cifar100Layout];

/** What pictures are scaled to where nobody says. */
const DEFAULT_SIZE = 64;

export interface OpenOptions {
  /** Pictures are scaled to so many pixels in height and width, or to [C, H, W]; default 64 in colour. A set of fixed size keeps it. */
  readonly size?: number | ImageShape;
  /** [K] names in the order of the labels, where it is known already; default: those found, sorted. Where other classes are found, those found. */
  readonly classes?: readonly string[];
  /** Leaves out pictures that cannot be read; default: an error names them. */
  readonly skipBroken?: boolean;
  /** Told while pictures are decoded. */
  readonly onPicture?: (done: number, total: number) => void;
  /** Share of the training part that becomes the validation split, 0 < x < 1; default 0.1. */
  readonly validationFraction?: number;
  /** Decides which training images go to validation; default 1. The test split never depends on it. */
  readonly seed?: number;
  /** Reads the test part alone: `train` and `validation` are null. */
  readonly testOnly?: boolean;
  /** Where `cifar10` is downloaded to; default `defaultCacheFolder()`. */
  readonly cacheFolder?: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/**
 * Opens a dataset and splits its training part into train and validation, stratified and seeded.
 *
 * @param source `shapes` (built in, drawn), `cifar10` (the official archive, downloaded once), or the path of a folder or
 *   `.tar.gz` whose layout is recognised by its files (a folder of one of these names: `./shapes`)
 * @throws {UserError} if there is nothing at the path, its layout is unknown, or a file is damaged
 */
export async function openDataset(source: string, options: OpenOptions = {}): Promise<Dataset> {
  const { validationFraction = 0.1, seed = 1, testOnly = false } = options;
  if (!(validationFraction > 0 && validationFraction < 1)) {
    throw new RangeError(`openDataset: expected a validationFraction between 0 and 1, found ${validationFraction}`);
  }
  return splitParts(await readParts(source, testOnly, options), validationFraction, seed);
}

async function readParts(source: string, testOnly: boolean, options: OpenOptions): Promise<DatasetParts> {
  if (source === "shapes") return drawShapesParts(testOnly ? { trainCount: 0 } : {});
  if (source !== "cifar10") return readPath(source, testOnly, options);
  const { cacheFolder = defaultCacheFolder(), onProgress = () => {} } = options;
  return readPath(await downloadCifar10({ cacheFolder, onProgress }), testOnly, options);
}

async function readPath(path: string, testOnly: boolean, options: OpenOptions): Promise<DatasetParts> {
  const isWantedBy = (layout: Layout) => (name: string) => layout.isWanted(name, testOnly);
  const isWanted = (name: string) => isPictureName(name) || LAYOUTS.some((layout) => isWantedBy(layout)(name));
  const files = await openSourceFiles(path, isWanted);
  const fitting = LAYOUTS.filter((layout) => files.names.some(isWantedBy(layout)));
  if (fitting.length === 1) return fitting[0]!.read(files, testOnly);
  const expected = LAYOUTS.map((layout) => layout.expects).join(" or ");
  if (fitting.length > 1) {
    throw new UserError(`data: expected either ${expected} in ${path}, found files of both; give the path of one`);
  }
  if (files.names.some(isPictureName)) {
    const { size = DEFAULT_SIZE, skipBroken = false, classes = null, onPicture = () => {} } = options;
    const shape: ImageShape = typeof size === "number" ? [3, size, size] : size;
    return readPictures(files, { shape, classes, testOnly, skipBroken, onProgress: onPicture });
  }
  const found = files.names.length === 0 ? "nothing" : files.names.slice(0, 8).join(", ");
  throw new UserError(
    `data: expected pictures, or ${expected} in ${path}, found ${found}; give the folder that holds the files`,
  );
}
