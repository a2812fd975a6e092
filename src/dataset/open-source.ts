/** What a path holds, and the reader for it: pictures in files of any kind, or a set whose pictures are pixels already. */
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { cifar10Layout, cifar100Layout } from "./cifar.ts";
import type { DiskFile } from "./content.ts";
import { folderPictures, mayBePicture, pictureNames } from "./folder-pictures.ts";
import { idxLayout } from "./idx.ts";
import type { Layout } from "./layout.ts";
import { openSourceFiles } from "./open-files.ts";
import { isParquet, parquetPictures } from "./parquet-pictures.ts";
import type { PictureSource } from "./picture-source.ts";
import { diskFiles } from "./pictures.ts";
import { recognise } from "./recognise.ts";
import type { SourceFiles } from "./source-files.ts";
import { tableIn, tablePictures } from "./table-pictures.ts";

/** Sets whose pictures are pixels already. */
const LAYOUTS: readonly Layout[] = [cifar10Layout, cifar100Layout, idxLayout];

export interface SourceOptions {
  /** A table of the pictures' classes: its name among the files, or its path. */
  readonly labels?: string;
  readonly testOnly: boolean;
  readonly cacheFolder: string;
}

/** Close its files. */
export type OpenSource =
  | { readonly kind: "pixels"; readonly files: SourceFiles; readonly layout: Layout }
  | {
      readonly kind: "pictures";
      readonly files: SourceFiles;
      readonly pictures: PictureSource;
      /** The files that decide what the pictures are. */
      readonly disk: readonly DiskFile[];
    };

/** @throws {UserError} if there is nothing at the path, or nothing that is known */
export async function openSource(path: string, options: SourceOptions): Promise<OpenSource> {
  const { labels, testOnly, cacheFolder } = options;
  const isPixels = (name: string) => LAYOUTS.some((layout) => layout.isWanted(name, testOnly));
  const isTable = (name: string) => labels !== undefined && /\.(csv|tsv|txt)$/i.test(name);
  const isWanted = (name: string) => mayBePicture(name) || isParquet(name) || isPixels(name) || isTable(name);
  const files = await openSourceFiles(path, isWanted, join(cacheFolder, "unpacked"));
  try {
    const layout = labels ? null : layoutOf(files, testOnly);
    if (layout) return { kind: "pixels", files, layout };
    const pictures = await picturesIn(files, labels);
    if (!pictures) throw nothingKnown(files);
    const isPacked = files.names.some(isParquet) && !labels;
    const names = isPacked ? files.names.filter(isParquet) : pictures.pictures.map(({ name }) => name);
    const disk = [...diskFiles(path, names), ...tableFiles(path, files, labels)];
    return { kind: "pictures", files, pictures, disk };
  } catch (error) {
    await files.close();
    throw error;
  }
}

function layoutOf({ path, names }: SourceFiles, testOnly: boolean): Layout | null {
  const fitting = LAYOUTS.filter((layout) => names.some((name) => layout.isWanted(name, testOnly)));
  if (fitting.length < 2) return fitting[0] ?? null;
  const expected = LAYOUTS.map(({ expects }) => expects).join(" or ");
  throw new UserError(`data: expected either ${expected} in ${path}, found files of both; give the path of one`);
}

async function picturesIn(files: SourceFiles, labels: string | undefined): Promise<PictureSource | null> {
  if (labels) return tablePictures(files, labels);
  if (files.names.some(isParquet)) return parquetPictures(files);
  return (await pictureNames(files)).length > 0 ? folderPictures(files) : null;
}

/** The table that says what the pictures show is part of what they are. */
function tableFiles(path: string, files: SourceFiles, labels: string | undefined): DiskFile[] {
  if (!labels) return [];
  const inside = tableIn(files, labels);
  return [{ name: `labels ${labels}`, path: inside === null ? labels : diskFiles(path, [inside])[0]!.path }];
}

function nothingKnown({ path, names }: SourceFiles): UserError {
  const recognised = recognise(names);
  const some = names.length === 0 ? "nothing" : names.slice(0, 8).join(", ");
  const found = recognised ? `${recognised.what} (${some})` : some;
  const expected = `pictures, Parquet files, or ${LAYOUTS.map(({ expects }) => expects).join(" or ")}`;
  return new UserError(
    `data: expected ${expected} in ${path}, found ${found}; ${recognised?.advice ?? "give the folder that holds the files"}`,
  );
}
