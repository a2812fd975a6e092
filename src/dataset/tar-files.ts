import { rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { list, type ReadEntry } from "tar";
import { UserError } from "../errors.ts";
import { scratchFile, writeParts } from "../files/large.ts";
import type { FilePlace } from "./file-place.ts";
import { isPassedOver, type SourceFiles } from "./source-files.ts";

/** More than so many times its own size is no archive of pictures, but one that was made to fill a disk; small ones may. */
const LARGEST_RATIO = 100;
const ALWAYS_ALLOWED = 2 ** 30;

/**
 * A `.tar`, `.tar.gz` or `.tgz`, streamed once. What is wanted is written into one file in the scratch folder, one entry after
 * the other, and read from there.
 */
export async function openTar(
  path: string,
  isWanted: (name: string) => boolean,
  scratchFolder: string,
): Promise<SourceFiles> {
  const allowed = Math.max(ALWAYS_ALLOWED, LARGEST_RATIO * (await stat(path)).size);
  const unpacked = await scratchFile(scratchFolder);
  const places = new Map<string, FilePlace | null>(); // null: there, but not wanted
  const parts = writeParts(unpacked);
  let [passedOver, written, seen] = [0, 0, 0];
  const take = (entry: ReadEntry): void => {
    const name = entry.path.replace(/^\.\//, "");
    if (name.split("/").some(isPassedOver)) passedOver++;
    else if (isFile(entry)) {
      const kept = isWanted(name);
      places.set(name, null);
      const offset = written;
      entry.on("data", (chunk) => {
        seen += chunk.length;
        if (seen > allowed)
          throw new Error(`more than ${allowed} bytes inside, more than data of this size unpacks to`);
        if (!kept) return;
        parts.write(chunk);
        written += chunk.length;
      });
      if (kept)
        entry.on("end", () => {
          const bytes = written - offset;
          places.set(name, { path: unpacked, offset, bytes, packing: "none", size: bytes });
        });
    }
  };
  const close = async () => rmSync(unpacked, { force: true }); // at once, so that it can be done at the very end
  try {
    await list({ file: path, strict: true, onReadEntry: take }); // strict: a damaged archive is an error, not a warning
  } catch (cause) {
    await close();
    const found = `${path} broken (${(cause as Error).message})`;
    throw new UserError(`data: expected a whole .tar.gz, found ${found}; download or copy it again`, { cause });
  } finally {
    parts.close();
  }
  return {
    path,
    names: [...places.keys()].sort(),
    passedOver,
    close,
    place(name) {
      const place = places.get(name);
      if (!place) throw new RangeError(`archive: expected a file that was kept, found ${name}`);
      return place;
    },
  };
}

function isFile({ type }: ReadEntry): boolean {
  return type === "File" || type === "OldFile" || type === "ContiguousFile";
}
