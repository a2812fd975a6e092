/** Who reads from a folder that others may remove: a file for each process, as long as it lives. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { hasEnded, parseOwner, thisProcess } from "./owner.ts";
import { readTextIfThere } from "./reader.ts";
import { replaceFile } from "./writer.ts";

const USED = ".earlyexit-used-by-";

/** Says that this process reads from the folder. */
export async function markUsed(folder: string): Promise<void> {
  await replaceFile(join(folder, `${USED}${process.pid}`), JSON.stringify(thisProcess()));
}

/** Whether a process reads from the folder; the marks of those that have ended are removed. */
export async function isUsed(folder: string): Promise<boolean> {
  let used = false;
  for (const name of (await readdir(folder)).filter((one) => one.startsWith(USED))) {
    const owner = parseOwner((await readTextIfThere(join(folder, name))) ?? "");
    if (owner && hasEnded(owner) !== true) used = true;
    else await rm(join(folder, name), { force: true });
  }
  return used;
}
