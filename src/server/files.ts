/** The files that may be served: known by name beforehand, so that no address leads anywhere else. */
import { readdir, readFile, realpath } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { UserError } from "../errors.ts";

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

/** Some files of a folder, which may come and go. A link that leads out of the folder is no file. */
export function namedFiles(folder: string, names: readonly string[]): Files {
  const known = new Set(names);
  return async (name) => {
    if (!known.has(name)) return null;
    try {
      const [root, path] = await Promise.all([realpath(folder), realpath(join(folder, name))]);
      if (!path.startsWith(root + sep)) return null;
      return { bytes: new Uint8Array(await readFile(path)), type: TYPES[extname(name)] ?? "application/octet-stream" };
    } catch (error) {
      if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
        return null;
      throw error;
    }
  };
}
