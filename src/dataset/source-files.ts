import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { list, type ReadEntry } from "tar";
import { UserError } from "../errors.ts";
import { readFile } from "../files/reader.ts";

/** The files that a dataset is read from: a folder's, or those of an archive. */
export interface SourceFiles {
  /** As the user gave it. */
  readonly path: string;
  /** Relative paths with "/", at any depth, sorted; without what is passed over. */
  readonly names: readonly string[];
  /** Files and folders that nobody put there as data: hidden ones, `Thumbs.db` and the like. */
  readonly passedOver: number;
  /** The bytes of one of `names`; of an archive, one that was wanted when it was opened. */
  read(name: string): Promise<Uint8Array>;
}

/**
 * Opens a folder (its files are read when asked for) or a `.tar.gz`, `.tgz` or `.tar` archive (streamed once, nothing
 * is written to disk; only the files that `isWanted` accepts by name are kept in memory).
 *
 * @throws {UserError} if the path does not exist, is neither of the two, or the archive is broken
 */
export async function openSourceFiles(path: string, isWanted: (name: string) => boolean): Promise<SourceFiles> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new UserError(`data: expected a folder or .tar.gz at ${path}, found nothing readable; check the path`, {
      cause,
    });
  });
  if (found.isDirectory()) return openFolder(path);
  if (/\.(tar|tgz|tar\.gz)$/i.test(path)) return openArchive(path, isWanted);
  throw new UserError(
    `data: expected a folder or .tar.gz, found the file ${path}; give the folder that holds the data`,
  );
}

/** Deeper folders are not looked into: links that lead back would never end. */
const DEEPEST = 32;

/** Hidden files, and what systems leave behind. */
function isPassedOver(name: string): boolean {
  return name.startsWith(".") || /^(__MACOSX|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r)$/i.test(name);
}

async function openFolder(path: string): Promise<SourceFiles> {
  const names: string[] = [];
  let passedOver = 0;
  const visit = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(join(path, folder), { withFileTypes: true }).catch(unreadable(join(path, folder)));
    for (const entry of entries) {
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
      const kind = entry.isSymbolicLink() ? await stat(join(path, name)).catch(() => null) : entry;
      if (isPassedOver(entry.name)) passedOver++;
      else if (kind?.isDirectory() && depth < DEEPEST) await visit(name, depth + 1);
      else if (kind?.isFile()) names.push(name);
      else passedOver++; // a link to nothing, a pipe, a device
    }
  };
  await visit("", 0);
  return { path, names: names.sort(), passedOver, read: (name) => readFile(join(path, name)) };
}

function unreadable(path: string): (cause: Error) => never {
  return (cause) => {
    throw new UserError(`data: expected to read ${path}, found ${cause.message}; check its permissions`, { cause });
  };
}

async function openArchive(path: string, isWanted: (name: string) => boolean): Promise<SourceFiles> {
  const files = new Map<string, Uint8Array | null>(); // null: there, but not wanted
  let passedOver = 0;
  await list({
    file: path,
    strict: true, // a damaged archive is an error, not a warning
    onReadEntry(entry) {
      if (entry.type === "Directory") return;
      const name = entry.path.replace(/^\.\//, "");
      if (name.split("/").some(isPassedOver)) {
        passedOver++;
        return;
      }
      files.set(name, isWanted(name) ? collect(entry) : null);
    },
  }).catch((cause: Error) => {
    const found = `${path} broken (${cause.message})`;
    throw new UserError(`data: expected a whole .tar.gz, found ${found}; download or copy it again`, { cause });
  });
  return {
    path,
    names: [...files.keys()].sort(),
    passedOver,
    async read(name) {
      const bytes = files.get(name);
      if (bytes == null) throw new RangeError(`archive: expected a file that was kept, found ${name}`);
      return bytes;
    },
  };
}

/** The bytes of an entry; they are complete once the archive has been read. */
function collect(entry: ReadEntry): Uint8Array {
  const bytes = new Uint8Array(entry.size);
  let filled = 0;
  entry.on("data", (chunk) => {
    bytes.set(chunk, filled);
    filled += chunk.length;
  });
  return bytes;
}
