import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { wholeFile } from "./file-place.ts";
import { isPassedOver, type SourceFiles } from "./source-files.ts";

/** Deeper folders are not looked into: links that lead back would never end. */
const DEEPEST = 32;

/** The files of a folder and of those inside it, links followed; read when asked for. */
export async function openFolder(path: string): Promise<SourceFiles> {
  const names: string[] = [];
  let passedOver = 0;
  const visit = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(join(path, folder), { withFileTypes: true }).catch((cause: Error) => {
      const found = `${join(path, folder)}, found ${cause.message}`;
      throw new UserError(`data: expected to read ${found}; check its permissions`, { cause });
    });
    if (entries.length === 0 && depth > 0) passedOver++;
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
  return { path, names: names.sort(), passedOver, place: (name) => wholeFile(join(path, name)), close: async () => {} };
}
