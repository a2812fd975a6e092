/** Pictures in files, of any size and format, as images of one shape. */
import { availableParallelism } from "node:os";
import { UserError } from "../errors.ts";
import type { DatasetParts, ImageShape, Images } from "./dataset.ts";
import { decodePicture } from "./image-file.ts";
import { hasPictureName } from "./image-format.ts";
import { type LabelledFile, labelsFromFolders } from "./picture-folders.ts";
import { memoryPixels, sharedBytes } from "./pixels.ts";
import type { SourceFiles } from "./source-files.ts";

/** How many are named when some cannot be read. */
const NAMED = 20;

export interface PictureOptions {
  readonly shape: ImageShape;
  /** [K] names in the order of the labels; null: those found, sorted. */
  readonly classes: readonly string[] | null;
  readonly testOnly: boolean;
  /** Leaves out what cannot be read, in place of an error. */
  readonly skipBroken: boolean;
  readonly onProgress: (done: number, total: number) => void;
}

export interface BrokenPicture {
  readonly name: string;
  readonly reason: string;
}

export function isPictureName(name: string): boolean {
  return hasPictureName(name);
}

/** @throws {UserError} if the folders do not say what the pictures show, or some cannot be read */
export async function readPictures(files: SourceFiles, options: PictureOptions): Promise<DatasetParts> {
  const listed = labelsFromFolders(files.names.filter(isPictureName), files.path);
  const classes = classesOf(listed, options.classes);
  const wanted = listed.filter(({ split }) => !(options.testOnly && (split === "train" || split === "validation")));
  const { pixels, broken } = await decodeAll(files, wanted, options);
  if (broken.length > 0 && !options.skipBroken) throw brokenError(broken, wanted.length, files.path);
  const lost = new Set(broken.map(({ name }) => name));
  const size = pixels.length / wanted.length;
  const part = (...splits: LabelledFile["split"][]): Images | null => {
    const rows = wanted.flatMap(({ name, split }, row) => (splits.includes(split) && !lost.has(name) ? [row] : []));
    if (rows.length === 0) return null;
    return {
      pixels: memoryPixels(pixels, size).select(Uint32Array.from(rows)),
      labels: Uint16Array.from(rows, (row) => classes.indexOf(wanted[row]!.className)),
    };
  };
  return {
    name: datasetName(files.path),
    imageShape: options.shape,
    classes,
    training: part("train", null),
    validation: part("validation"),
    test: part("test"),
  };
}

/** The known ones where no other is found, so that a test part may lack some of them. */
function classesOf(listed: readonly LabelledFile[], known: readonly string[] | null): readonly string[] {
  const found = [...new Set(listed.map(({ className }) => className))].sort();
  return known && found.every((name) => known.includes(name)) ? known : found;
}

/** The folder's or archive's own name, as it may stand in a file name. */
function datasetName(path: string): string {
  const base =
    path
      .replace(/[\\/]+$/, "")
      .split(/[\\/]/)
      .at(-1) ?? "";
  const name = base.replace(/\.(zip|tar|tgz|tar\.gz)$/i, "").replace(/[^\p{L}\p{N}._-]+/gu, "-");
  return /^[.-]*$/.test(name) ? "pictures" : name;
}

async function decodeAll(files: SourceFiles, wanted: readonly LabelledFile[], options: PictureOptions) {
  const { shape, onProgress } = options;
  const size = shape[0] * shape[1] * shape[2];
  const pixels = sharedBytes(wanted.length * size);
  const broken: BrokenPicture[] = [];
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    while (next < wanted.length) {
      const row = next++;
      const { name } = wanted[row]!;
      try {
        pixels.set(await decodePicture(await files.read(name), shape), row * size);
      } catch (cause) {
        broken.push({ name, reason: (cause as Error).message.split("\n")[0]! });
      }
      onProgress(++done, wanted.length);
    }
  };
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, work));
  return { pixels, broken: broken.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function brokenError(broken: readonly BrokenPicture[], all: number, source: string): UserError {
  const named = broken.slice(0, NAMED).map(({ name, reason }) => `${name} (${reason})`);
  const more = broken.length > NAMED ? `, and ${broken.length - NAMED} more` : "";
  return new UserError(
    `data: expected pictures that can be read in ${source}, found ${broken.length} of ${all} that cannot: ${named.join(", ")}${more}; ` +
      "mend or remove them, or leave them out with --skip-broken",
  );
}
