import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { wholeFile } from "./file-place.ts";
import { openFolder } from "./folder-files.ts";
import { isPassedOver, type SourceFiles } from "./source-files.ts";
import { openTar } from "./tar-files.ts";
import { openZip } from "./zip-files.ts";

/** A `.zip`, `.tar`, `.tgz` or `.tar.gz` by its name. */
export function isArchive(path: string): boolean {
  return /\.(zip|tar|tgz|tar\.gz)$/i.test(path);
}

/** One file that is a whole data set by itself. */
function isSingle(path: string): boolean {
  return /\.parquet$/i.test(path);
}

/**
 * What a downloaded set often is: a folder that holds one archive and, beside it, nothing but texts about it. That archive's path;
 * of any other path, the path itself.
 */
export async function loneArchive(path: string): Promise<string> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const data = entries.filter(({ name }) => !isPassedOver(name) && !/(\.(md|txt|sha256|md5)|^licen[cs]e)$/i.test(name));
  const [only] = data;
  return data.length === 1 && only!.isFile() && isArchive(only!.name) ? join(path, only!.name) : path;
}

/**
 * Opens a folder or an archive. Nothing is held in memory; what is wanted of a tar archive is unpacked into the scratch folder, as
 * it cannot be read at random.
 *
 * @param isWanted by its relative path with "/"
 * @throws {UserError} if the path does not exist, is neither of the two, or the archive is broken
 */
export async function openSourceFiles(
  path: string,
  isWanted: (name: string) => boolean,
  scratchFolder: string,
): Promise<SourceFiles> {
  const found = await stat(path).catch((cause: unknown) => {
    const expected = "expected a folder, .zip, .tar or .tar.gz at";
    throw new UserError(`data: ${expected} ${path}, found nothing readable; check the path`, { cause });
  });
  if (found.isDirectory()) return openFolder(path);
  if (found.isFile() && /\.zip$/i.test(path)) return openZip(path);
  if (found.isFile() && isArchive(path)) return openTar(path, isWanted, scratchFolder);
  if (found.isFile() && isSingle(path)) return oneFile(path);
  throw new UserError(
    `data: expected a folder, .zip, .tar or .tar.gz, found the file ${path}; give the folder that holds the data`,
  );
}

function oneFile(path: string): SourceFiles {
  return { path, names: [basename(path)], passedOver: 0, place: () => wholeFile(path), close: async () => {} };
}
