/**
 * Image data sets as the Hugging Face hub stores them: Parquet files with a column of pictures ({bytes, path}) and one of classes;
 * what the numbers of the classes mean stands in the file's metadata. The name of file or folder tells the split.
 */
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../errors.ts";
import { openRegularFile } from "../files/reader.ts";
import type { FilePlace } from "./file-place.ts";
import { type LabelledFile, type SplitName, splitOf } from "./picture-folders.ts";
import type { PictureSource } from "./picture-source.ts";
import type { SourceFiles } from "./source-files.ts";

/** A group of rows is decoded as a whole; no larger one is taken. */
const GROUP_LIMIT = 2 ** 31;
const PICTURE_COLUMN = /^(image|img|picture|photo|pixels)$/i;
const LABEL_COLUMN = /^(label|labels|fine_label|class|category|target)$/i;

export function isParquet(name: string): boolean {
  return /\.parquet$/i.test(name);
}

interface Columns {
  readonly picture: string;
  readonly label: string;
  /** [K]; null: the column holds the names themselves */
  readonly classes: readonly string[] | null;
}

interface OpenParquet {
  readonly name: string;
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly columns: Columns;
}

/** @throws {UserError} if a file is broken, or does not say which column holds what */
export async function parquetPictures(files: SourceFiles): Promise<PictureSource> {
  const names = files.names.filter(isParquet);
  const opened: OpenParquet[] = [];
  const pictures: LabelledFile[] = [];
  const rows: { readonly from: OpenParquet; readonly row: number }[] = [];
  for (const name of names) {
    const one = await openParquet(files, name);
    opened.push(one);
    const labels = await readColumn(one, one.columns.label, 0, Number(one.metadata.num_rows));
    for (const [row, value] of labels.entries()) {
      pictures.push({ name: `${name}#${row}`, className: className(one, value, row), split: splitIn(name) });
      rows.push({ from: one, row });
    }
  }
  const group = groupReader();
  return {
    path: files.path,
    pictures,
    passedOver: files.passedOver + files.names.length - names.length,
    notes: [],
    from: async (picture) => group(rows[picture]!.from, rows[picture]!.row),
    close: files.close,
  };
}

async function openParquet(files: SourceFiles, name: string): Promise<OpenParquet> {
  const place = files.place(name);
  const broken = (cause: Error) =>
    new UserError(
      `parquet: a whole Parquet file expected in ${name}, found it broken (${cause.message}); download it again`,
      { cause },
    );
  if (place.packing !== "none")
    throw new UserError(
      `parquet: files that can be read at random expected, found ${name} packed in ${files.path}; unpack it`,
    );
  try {
    const file = await placeBuffer(place);
    const metadata = await parquetMetadataAsync(file);
    return { name, file, metadata, columns: columnsOf(metadata, name) };
  } catch (error) {
    throw error instanceof UserError ? error : broken(error as Error);
  }
}

async function placeBuffer({ path, offset, bytes }: FilePlace): Promise<AsyncBuffer> {
  const file = await openRegularFile(path);
  const byteLength = bytes ?? (await file.stat()).size - offset;
  await file.close();
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const from = start < 0 ? byteLength + start : start;
      const again = await openRegularFile(path);
      try {
        const buffer = new Uint8Array(Math.max(0, end - from));
        const { bytesRead } = await again.read(buffer, 0, buffer.length, offset + from);
        if (bytesRead !== buffer.length) throw new Error("cut short");
        return buffer.buffer;
      } finally {
        await again.close();
      }
    },
  };
}

/** What the hub writes beside the schema: `{"info": {"features": {"label": {"_type": "ClassLabel", "names": [...]}, ...}}}`. */
interface Feature {
  readonly _type?: string;
  readonly names?: readonly string[];
}

function columnsOf({ schema, key_value_metadata: pairs }: FileMetaData, name: string): Columns {
  const told = pairs?.find(({ key }) => key === "huggingface")?.value;
  const features: Record<string, Feature> = told ? (JSON.parse(told)?.info?.features ?? {}) : {};
  const top = topColumns(schema);
  const pick = (type: string, pattern: RegExp, what: string): string => {
    const typed = top.filter((column) => features[column]?._type === type);
    const called = (typed.length > 0 ? typed : top).filter((column) => pattern.test(column));
    const chosen = called.length > 0 ? called : typed;
    if (chosen.length > 0) return chosen[0]!;
    throw new UserError(
      `parquet: a column of ${what} expected in ${name}, found ${top.join(", ")}; rename it to ${what === "pictures" ? "image" : "label"}`,
    );
  };
  const label = pick("ClassLabel", LABEL_COLUMN, "classes");
  return { picture: pick("Image", PICTURE_COLUMN, "pictures"), label, classes: features[label]?.names ?? null };
}

/** The columns below the root; a picture is a group of two. */
function topColumns(schema: FileMetaData["schema"]): string[] {
  const names: string[] = [];
  let at = 1;
  const skip = (): void => {
    const { num_children: children = 0 } = schema[at++]!;
    for (let i = 0; i < children; i++) skip();
  };
  while (at < schema.length) {
    names.push(schema[at]!.name);
    skip();
  }
  return names;
}

async function readColumn(
  { file, metadata, name }: OpenParquet,
  column: string,
  rowStart: number,
  rowEnd: number,
): Promise<unknown[]> {
  const options = { file, metadata, columns: [column], rowStart, rowEnd, compressors, utf8: false };
  const rows = await parquetReadObjects(options).catch((cause: Error) => {
    throw new UserError(
      `parquet: a column ${column} that can be read expected in ${name}, found ${cause.message}; download it again`,
      {
        cause,
      },
    );
  });
  return rows.map((row) => row[column]);
}

function className({ columns, name }: OpenParquet, value: unknown, row: number): string {
  const text = value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
  const known = columns.classes ? columns.classes[Number(value)] : value == null ? undefined : text;
  if (known !== undefined && known !== "") return known.normalize("NFC");
  throw new UserError(`parquet: a class in every row of ${name} expected, found ${text} in row ${row}; remove the row`);
}

function splitIn(name: string): SplitName | null {
  const words = name.replace(/\.parquet$/i, "").split(/[/_.-]/);
  return words.map(splitOf).find(Boolean) ?? null;
}

/** The bytes of a row's picture; the group of rows that it is in is read once, as rows are asked for in their order. */
function groupReader(): (from: OpenParquet, row: number) => Promise<Uint8Array> {
  let current: { from: OpenParquet; start: number; end: number; values: Promise<unknown[]> } | null = null;
  return async (from, row) => {
    if (!current || current.from !== from || row < current.start || row >= current.end) {
      const { start, end, bytes } = groupOf(from.metadata, row);
      if (bytes > GROUP_LIMIT)
        throw new UserError(
          `parquet: groups of rows of at most ${GROUP_LIMIT} bytes expected, found ${bytes} in ${from.name}; write smaller groups`,
        );
      current = { from, start, end, values: readColumn(from, from.columns.picture, start, end) };
    }
    const { start, values } = current;
    const value = (await values)[row - start];
    const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null)?.bytes;
    return bytes instanceof Uint8Array ? bytes.slice() : new Uint8Array();
  };
}

function groupOf({ row_groups: groups }: FileMetaData, row: number): { start: number; end: number; bytes: number } {
  let start = 0;
  for (const { num_rows, total_byte_size } of groups) {
    const end = start + Number(num_rows);
    if (row < end) return { start, end, bytes: Number(total_byte_size) };
    start = end;
  }
  throw new RangeError(`parquet: a row below ${start} expected, found ${row}`);
}
