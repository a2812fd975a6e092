/**
 * What folders say of the pictures in them: which class, which split. No file is opened here: names go in, a plan comes out.
 *
 * `train/<class>/..`, `val|valid|validation/..`, `test/..`, or `<class>/..` alone; folders above (that hold nothing else) and below
 * (that belong to the class) do not count.
 */
import { UserError } from "../errors.ts";

export type SplitName = "train" | "validation" | "test";

/** A picture's file and what it is said to show. */
export interface LabelledFile {
  /** Relative, as the file is called. */
  readonly name: string;
  readonly className: string;
  /** null: not said; a seed decides. */
  readonly split: SplitName | null;
}

const SPLITS: Readonly<Record<string, SplitName>> = {
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
};

const FORM =
  "train/<class>/.., validation/<class>/.. and test/<class>/.., or <class>/.. alone (or a table: --labels labels.csv)";

/**
 * Classes and splits of pictures from the folders that they lie in, in the order of the names.
 *
 * @param names relative paths of the pictures, with "/"
 * @param source what the user gave, for messages
 * @throws {UserError} if the folders do not say which class a picture shows
 */
export function labelsFromFolders(names: readonly string[], source: string): LabelledFile[] {
  const files = names.map((name) => ({ name, folders: name.split("/").slice(0, -1) }));
  const above = sharedFolders(files.map(({ folders }) => folders));
  const inside = files.map(({ name, folders }) => ({ name, folders: folders.slice(above) }));
  const splitFolders = new Set(inside.flatMap(({ folders }) => (splitOf(folders[0]) ? [folders[0]!] : [])));
  const bySplit = splitFolders.size > 0;
  if (!bySplit) return labelled(inside, null, source);
  return [...splitFolders].flatMap((folder) => {
    const own = inside.filter(({ folders }) => folders[0] === folder);
    const below = own.map(({ name, folders }) => ({ name, folders: folders.slice(1) }));
    return labelled(below, splitOf(folder), `${source}: ${folder}`);
  });
}

interface FileBelow {
  readonly name: string;
  readonly folders: readonly string[];
}

/** The split that a folder or a cell of a table names; null: none. */
export function splitOf(folder: string | undefined): SplitName | null {
  return SPLITS[folder?.toLowerCase() ?? ""] ?? null;
}

/** How many of the first folders hold all the files between them; a folder that names a split is never one of them. */
function sharedFolders(paths: readonly (readonly string[])[]): number {
  const first = paths[0] ?? [];
  let count = 0;
  while (
    count < first.length - 1 &&
    !splitOf(first[count]) &&
    paths.every((folders) => folders.length > count + 1 && folders[count] === first[count])
  )
    count++;
  return count;
}

/** The folder is the class. Two spellings of one name in Unicode are one class. */
function labelled(files: readonly FileBelow[], split: SplitName | null, source: string): LabelledFile[] {
  const above = split === null ? 0 : sharedFolders(files.map(({ folders }) => folders));
  const inside = files.map(({ name, folders }) => ({ name, folders: folders.slice(above) }));
  const bare = inside.filter(({ folders }) => folders.length === 0);
  if (bare.length > 0) throw unlabelled(bare, inside.length, source);
  checkDepth(inside, source);
  return inside.map(({ name, folders }) => ({ name, className: folders[0]!.normalize("NFC"), split }));
}

function unlabelled(bare: readonly FileBelow[], all: number, source: string): UserError {
  const found = `${bare.length} of ${all} pictures in no class folder (${bare
    .slice(0, 3)
    .map(({ name }) => name)
    .join(", ")}${bare.length > 3 ? ", .." : ""})`;
  return new UserError(`data: expected ${FORM} in ${source}, found ${found}; move them into a folder of their class`);
}

/** Folders of folders of pictures may mean two things: which of them is the class? */
function checkDepth(files: readonly FileBelow[], source: string): void {
  const below = new Map<string, Set<string>>();
  for (const { folders } of files) {
    const [top, next] = folders;
    const known = below.get(top!) ?? new Set();
    below.set(top!, known.add(next ?? ""));
  }
  const tops = [...below];
  const isDeep = tops.every(([, next]) => !next.has("")) && tops.some(([, next]) => next.size > 1);
  if (!isDeep) return;
  const [top, next] = tops.find(([, next]) => next.size > 1)!;
  const inner = [...next].slice(0, 3);
  const isInside = inner.some((name) => splitOf(name));
  const advice = isInside
    ? `write ${inner[0]}/${top}/.. in place of ${top}/${inner[0]}/..`
    : `give one of the folders, or write each class as one folder, for example ${top}-${inner[0]}`;
  throw new UserError(
    `data: expected ${FORM} in ${source}, found folders of folders (${inner.map((name) => `${top}/${name}`).join(", ")}${next.size > 3 ? ", .." : ""}), ` +
      `of which neither level is surely the class; ${advice}`,
  );
}
