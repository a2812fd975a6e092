/** The files that may be served: known by name beforehand, so that no address leads anywhere else. */
import { readdir, realpath } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { UserError } from "../errors.ts";
import { isAbsent } from "../files/disk-errors.ts";
import type { ReadOptions } from "../files/reader.ts";
import { readInFolder } from "../files/writer.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

export interface ServedFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
}

/** null where there is no such file, or it is none of the known ones */
export type Files = (name: string) => Promise<ServedFile | null>;

/**
 * The page: every file that lies in the folder now, by its path with "/".
 *
 * @throws {UserError} if the page was not built
 */
export async function pageFiles(folder: string): Promise<Files> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: Error) => {
    throw new UserError(`page: the built page expected in ${folder}, found none; build it with 'npm run build'`, {
      cause,
    });
  });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .split(sep)
        .join("/"),
    );
  return namedFiles(folder, names);
}

/** Some files of a folder, which may come and go. One larger than the limit, or a link that leads out of the folder, is no file, nor is anything but a regular one. */
export function namedFiles(folder: string, names: readonly string[], options: ReadOptions = {}): Files {
  const known = new Set(names);
  return async (name) => {
    if (!known.has(name)) return null;
    try {
      const root = await realpath(folder);
      const path = await realpath(join(folder, name)).catch((error) => {
        if (isAbsent(error)) return null; // its writer may have been killed before it got its name
        throw error;
      });
      if (path && !path.startsWith(root + sep)) return null;
      const bytes = await readInFolder(folder, name, options);
      return bytes && { bytes: new Uint8Array(bytes), type: TYPES[extname(name)] ?? "application/octet-stream" };
    } catch (error) {
      if (isAbsent(error) || error instanceof UserError) return null;
      throw error;
    }
  };
}
