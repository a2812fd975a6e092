/** Pictures in files, of any size and format, as images of one shape: decoded once, into the cache. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { UserError } from "../errors.ts";
import { readTextIfThere } from "../files/reader.ts";
import { markUsed } from "../files/users.ts";
import { replaceFile } from "../files/writer.ts";
import { makeRoom } from "./cache.ts";
import { contentDigest, type DiskFile, knownDigest } from "./content.ts";
import { createSamples, type DatasetParts, type ImageShape, type Images, type Samples } from "./dataset.ts";
import { type PictureSource, READING_VERSION } from "./picture-source.ts";
import { filePixels } from "./pixel-file.ts";
import { buildStore, PIXELS_FILE, readIndex, type StoreIndex } from "./pixel-store.ts";
import { SCALE_VERSION } from "./scale.ts";

/** How many are named when some cannot be read. */
const NAMED = 20;
const STORES = "pixels";
const HASHES = "hashes.json";

export interface PictureOptions {
  readonly shape: ImageShape;
  /** [K] names in the order of the labels; null: those found, sorted. */
  readonly classes: readonly string[] | null;
  /** Leaves out what cannot be read, in place of an error. */
  readonly skipBroken: boolean;
  readonly cacheFolder: string;
  readonly onProgress: (done: number, total: number) => void;
  readonly onNote: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Decodes what is not decoded yet. @param disk the files that decide what the pictures are */
export async function openPictures(
  source: PictureSource,
  disk: readonly DiskFile[],
  options: PictureOptions,
): Promise<DatasetParts> {
  const { cacheFolder, shape, onProgress, onNote, signal } = options;
  const digest = await contentDigest(disk, cacheFolder);
  const folder = storeFolder(cacheFolder, digest, shape);
  const known = await readIndex(folder);
  if (known) return partsOf(folder, known, options, source.path);
  await makeRoom(cacheFolder, source.pictures.length * shape[0] * shape[1] * shape[2], folder);
  const classes = [...new Set(source.pictures.map(({ className }) => className))].sort();
  const labels = new Map(classes.map((name, label) => [name, label]));
  const plan = {
    source: source.path,
    shape,
    classes,
    names: source.pictures.map(({ name }) => name),
    labels: source.pictures.map(({ className }) => labels.get(className)!),
    splits: source.pictures.map(({ split }) => split),
    passedOver: source.passedOver,
  };
  const onWait = (other: number | null) =>
    onNote(`${other === null ? "another process" : `process ${other}`} decodes the same pictures; waiting for it`);
  const hooks = { from: source.from, onProgress, onWait, ...(signal ? { signal } : {}) };
  return partsOf(folder, await buildStore(folder, plan, hooks), options, source.path);
}

/** What was decoded before, without a look into the source; null: nothing is known of it. */
export async function openKnownPictures(
  path: string,
  disk: readonly DiskFile[],
  options: PictureOptions,
): Promise<DatasetParts | null> {
  const digest = await knownDigest(disk, options.cacheFolder);
  if (!digest) return null;
  const folder = storeFolder(options.cacheFolder, digest, options.shape);
  const index = await readIndex(folder);
  return index ? partsOf(folder, index, options, path) : null;
}

/** By content, size, and what the pixels are made with. */
function storeFolder(cacheFolder: string, digest: string, shape: ImageShape): string {
  const versions = [`reading ${READING_VERSION}`, `scale ${SCALE_VERSION}`, `vips ${sharp.versions.vips}`];
  const made = [digest, shape.join("x"), ...versions].join("\n");
  return join(cacheFolder, STORES, createHash("sha256").update(made).digest("hex").slice(0, 32));
}

async function partsOf(
  folder: string,
  index: StoreIndex,
  options: PictureOptions,
  path: string,
): Promise<DatasetParts> {
  const { shape, classes: found, names, labels, splits, broken } = index;
  if (broken.length > 0 && !options.skipBroken) throw brokenError(index, path);
  await markUsed(folder);
  const known = await knownHashes(join(folder, HASHES));
  const before = known.size;
  const classes = options.classes && found.every((name) => options.classes!.includes(name)) ? options.classes : found;
  const label = found.map((name) => classes.indexOf(name));
  const lost = new Set(broken.map(({ row }) => row));
  const rows = Uint32Array.from(names.keys());
  const pixels = filePixels(join(folder, PIXELS_FILE), shape[0] * shape[1] * shape[2], rows);
  const part = (...wanted: (string | null)[]): Images | null => {
    const own = rows.filter((row) => wanted.includes(splits[row]!) && !lost.has(row));
    if (own.length === 0) return null;
    return {
      pixels: pixels.select(own),
      labels: Uint16Array.from(own, (row) => label[labels[row]!]!),
      names: Array.from(own, (row) => names[row]!),
    };
  };
  return {
    name: datasetName(path),
    imageShape: shape,
    classes,
    training: part("train", null),
    validation: part("validation"),
    test: part("test"),
    toSamples: (images) => rememberedSamples(known, images),
    // it only saves time: a cache that cannot be written does no harm
    async remember() {
      if (known.size === before) return;
      await replaceFile(join(folder, HASHES), JSON.stringify(Object.fromEntries(known))).catch(() => {});
    },
    leftOut: broken.map(({ row, reason }) => ({ name: names[row]!, reason })),
  };
}

/** The SHA-256 of many gigabytes is computed once. */
function rememberedSamples(known: Map<string, string>, { pixels, labels, names }: Images): Samples {
  const { place } = pixels;
  const rows = place.kind === "file" ? place.rows : new Uint32Array();
  const key = createHash("sha256").update(rows).update(labels).digest("hex");
  const samples = createSamples(pixels, labels, known.get(key));
  known.set(key, samples.sha256);
  return { ...samples, ...(names ? { names } : {}) };
}

/** What earlier runs found; nothing where it cannot be read, since it only saves time. */
async function knownHashes(path: string): Promise<Map<string, string>> {
  const text = await readTextIfThere(path).catch(() => null);
  try {
    return new Map(Object.entries(JSON.parse(text ?? "{}") as Record<string, string>));
  } catch {
    return new Map();
  }
}

/** The folder's or archive's own name, as it may stand in a file name. */
function datasetName(path: string): string {
  const base =
    path
      .replace(/[\\/]+$/, "")
      .split(/[\\/]/)
      .at(-1) ?? "";
  const name = base.replace(/\.(zip|tar|tgz|tar\.gz|parquet)$/i, "").replace(/[^\p{L}\p{N}._-]+/gu, "-");
  return /^[.-]*$/.test(name) ? "pictures" : name;
}

function brokenError({ broken, names }: StoreIndex, path: string): UserError {
  const named = broken.slice(0, NAMED).map(({ row, reason }) => `${names[row]} (${reason})`);
  const more = broken.length > NAMED ? `, and ${broken.length - NAMED} more` : "";
  return new UserError(
    `data: expected pictures that can be read in ${path}, found ${broken.length} of ${names.length} that cannot: ${named.join(", ")}${more}; ` +
      "mend or remove them, or leave them out with --skip-broken",
  );
}

/** The files behind names within a folder, or the archive itself. */
export function diskFiles(path: string, names: readonly string[]): DiskFile[] {
  if (!statSync(path).isDirectory()) return [{ name: "archive", path }];
  return names.map((name) => ({ name, path: join(path, name) }));
}
