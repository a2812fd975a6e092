/** One at a time writes a store; a lock whose process is gone counts for nothing. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

const LOCK = "lock";
const USED = "used-by-";
const POLL_MS = 300;
const OLD_MS = 10_000;

/**
 * Waits until nobody else writes into the folder.
 *
 * @param onWait told once, if there is somebody
 * @returns gives the lock back
 */
export async function lockFolder(
  folder: string,
  onWait: (pid: number) => void,
  signal?: AbortSignal,
): Promise<() => void> {
  const path = join(folder, LOCK);
  for (let waited = false; ; waited = true) {
    signal?.throwIfAborted();
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = ownerOf(path);
    if (owner === null ? isOld(path) : owner !== process.pid && !isAlive(owner)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!waited && owner !== null) onWait(owner);
    await setTimeout(POLL_MS, undefined, signal ? { signal } : {});
  }
}

/** Says that this process reads from the folder, as long as it lives. */
export function markUsed(folder: string): void {
  writeFileSync(join(folder, `${USED}${process.pid}`), "");
}

/** Whether a living process writes into the folder or reads from it; marks of others are removed. */
export function isUsed(folder: string): boolean {
  const owner = ownerOf(join(folder, LOCK));
  let used = owner !== null && isAlive(owner);
  for (const name of readdirSync(folder).filter((one) => one.startsWith(USED))) {
    if (isAlive(Number(name.slice(USED.length)))) used = true;
    else rmSync(join(folder, name), { force: true });
  }
  return used;
}

function ownerOf(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return pid > 0 ? pid : null; // just made, not yet written
  } catch {
    return null;
  }
}

/** A lock without an owner was made a moment ago, or its maker died right then. */
function isOld(path: string): boolean {
  const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
  return Date.now() - made > OLD_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
