/** Pictures whose classes stand in a table, as from Kaggle: a column of file names, one of classes, maybe one of splits. */
import { parse } from "csv-parse/sync";
import { UserError } from "../errors.ts";
import { readPlace, wholeFile } from "./file-place.ts";
import { pictureNames } from "./folder-pictures.ts";
import { type LabelledFile, type SplitName, splitOf } from "./picture-folders.ts";
import type { PictureSource } from "./picture-source.ts";
import { readSource, type SourceFiles } from "./source-files.ts";

const LABEL_COLUMN = /^(label|labels|class|classes|class_?name|category|target|breed|species|diagnosis|y)$/i;
const SPLIT_COLUMN = /^(split|set|subset|partition|fold|usage)$/i;
const NAMED = 20;

/**
 * @param table the name of the table among the files, or its path
 * @throws {UserError} if the table does not say which file has which class
 */
export async function tablePictures(files: SourceFiles, table: string): Promise<PictureSource> {
  const rows = parseTable(await readTable(files, table), table);
  const names = await pictureNames(files);
  const find = finder(names);
  const columns = columnsOf(rows, find, table);
  const missing: string[] = [];
  const pictures = new Map<string, LabelledFile>();
  for (const row of rows) {
    const [file, className, splitName] = [row[columns.file]!, row[columns.label]!.trim(), row[columns.split ?? ""]];
    const name = find(file);
    if (name === null) missing.push(file);
    else if (className === "") throw wrongTable(table, "a class in every row", `none for ${file}`);
    else add(pictures, { name, className: className.normalize("NFC"), split: splitOf(splitName) }, table);
  }
  if (missing.length > 0) throw missingFiles(missing, rows.length, files.path, table);
  const listed = withFolderSplits([...pictures.values()], columns.split !== null);
  const without = names.length - listed.length;
  return {
    path: files.path,
    pictures: listed,
    passedOver: files.passedOver + files.names.length - names.length,
    notes: without > 0 ? [`${without} pictures of ${names.length} are in no row of ${table} and are left out`] : [],
    from: (picture) => files.place(listed[picture]!.name),
    close: files.close,
  };
}

/** The table's name among the files; null: it lies elsewhere. */
export function tableIn(files: SourceFiles, table: string): string | null {
  return files.names.find((name) => name === table || name.endsWith(`/${table}`)) ?? null;
}

async function readTable(files: SourceFiles, table: string): Promise<string> {
  const inside = tableIn(files, table);
  const bytes = inside
    ? await readSource(files, inside)
    : await readPlace(wholeFile(table)).catch((cause: Error) => {
        throw new UserError(
          `labels: expected a table in ${files.path} or at ${table}, found ${cause.message}; check the path`,
          { cause },
        );
      });
  return new TextDecoder().decode(bytes);
}

type Row = Readonly<Record<string, string>>;

function parseTable(text: string, table: string): Row[] {
  const header = text.slice(0, text.search(/[\r\n]|$/));
  const delimiter = [",", ";", "\t"].reduce((best, one) =>
    header.split(one).length > header.split(best).length ? one : best,
  );
  let rows: Row[];
  try {
    rows = parse(text, {
      columns: true,
      bom: true,
      record_delimiter: ["\r\n", "\n", "\r"],
      delimiter,
      skip_empty_lines: true,
      trim: true,
    }) as Row[];
  } catch (cause) {
    throw new UserError(
      `labels: a table with a header expected in ${table}, found ${(cause as Error).message}; mend it`,
      {
        cause,
      },
    );
  }
  if (rows.length === 0) throw wrongTable(table, "a header and at least one row", "none");
  return rows;
}

/** From what a table calls a file to its name: the path, the name alone, or the name without its ending. */
function finder(names: readonly string[]): (given: string) => string | null {
  const known = new Map<string, string | null>(); // null: of several files
  const learn = (key: string, name: string) => known.set(key, known.has(key) && known.get(key) !== name ? null : name);
  for (const name of names) {
    const normal = name.normalize("NFC");
    const base = normal.slice(normal.lastIndexOf("/") + 1);
    const keys = new Set([normal, base, normal.replace(/\.[^./]+$/, ""), base.replace(/\.[^.]+$/, "")]);
    for (const key of keys) learn(key, name);
  }
  return (given) => {
    const key = given
      .trim()
      .normalize("NFC")
      .replaceAll("\\", "/")
      .replace(/^\.?\//, "");
    if (known.has(key)) return known.get(key)!;
    const inner = names.find((name) => name.normalize("NFC").endsWith(`/${key}`));
    return key !== "" && inner ? inner : null;
  };
}

interface Columns {
  readonly file: string;
  readonly label: string;
  readonly split: string | null;
}

function columnsOf(rows: readonly Row[], find: (given: string) => string | null, table: string): Columns {
  const names = Object.keys(rows[0]!);
  const some = rows.slice(0, 200);
  const hits = names.map((name) => some.filter((row) => find(row[name] ?? "") !== null).length);
  const most = Math.max(...hits);
  if (most === 0)
    throw wrongTable(
      table,
      "a column with the names of the pictures",
      `columns ${names.join(", ")}, none of which names a file`,
    );
  const file = names[hits.indexOf(most)]!;
  const split = names.find((name) => name !== file && SPLIT_COLUMN.test(name)) ?? null;
  const others = names.filter((name) => name !== file && name !== split);
  const label = others.find((name) => LABEL_COLUMN.test(name)) ?? (others.length === 1 ? others[0] : undefined);
  if (label === undefined)
    throw wrongTable(
      table,
      "a column called label or class",
      `${others.join(", ") || "no other column"} beside ${file}`,
    );
  return { file, label, split };
}

function add(pictures: Map<string, LabelledFile>, one: LabelledFile, table: string): void {
  const before = pictures.get(one.name);
  if (before && before.className !== one.className)
    throw wrongTable(table, "one class for each picture", `${before.className} and ${one.className} for ${one.name}`);
  pictures.set(one.name, one);
}

/** Where the table says nothing, folders called train and test do, if there are both. */
function withFolderSplits(pictures: readonly LabelledFile[], isTold: boolean): LabelledFile[] {
  if (isTold) return [...pictures];
  const byFolder = pictures.map(({ name }) => name.split("/").slice(0, -1).map(splitOf).find(Boolean) ?? null);
  const found = new Set(byFolder);
  if (found.size < 2 || found.has(null)) return [...pictures];
  return pictures.map((one, i) => ({ ...one, split: byFolder[i] as SplitName }));
}

function missingFiles(missing: readonly string[], rows: number, path: string, table: string): UserError {
  const more = missing.length > NAMED ? `, and ${missing.length - NAMED} more` : "";
  return new UserError(
    `labels: a picture in ${path} expected for each of the ${rows} rows of ${table}, found none for ${missing.length}: ` +
      `${missing.slice(0, NAMED).join(", ")}${more}; add the files or remove the rows`,
  );
}

function wrongTable(table: string, expected: string, found: string): UserError {
  return new UserError(`labels: ${expected} expected in ${table}, found ${found}; correct the table`);
}
