/**
 * Who writes a folder: a file that names the process. A process that has ended holds nothing, however it ended: on the same machine the
 * system is asked, elsewhere (another container or machine on the same disk) the file's time tells, which its owner renews.
 */
import { readFileSync, unlinkSync } from "node:fs";
import { open, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { onDisk } from "./disk-errors.ts";
import { hasEnded, type Owner, parseOwner, thisProcess } from "./owner.ts";
import { readFileIfThere } from "./reader.ts";

export const LOCK = ".earlyexit-lock";
/** Held for the moment in which a dead process's lock is taken away. */
const TAKEOVER = ".earlyexit-lock-takeover";

const RENEW_MS = 10_000;
/** A lock from elsewhere that was not renewed for so long is nobody's. */
const FORGOTTEN_MS = 60_000;
const POLL_MS = 50;

export interface Lock {
  /** @throws {UserError} if the lock is no longer ours: the folder was removed, or somebody took it */
  check(): Promise<void>;
  release(): Promise<void>;
}

export interface LockOptions {
  /** How long to wait for a process that writes it now; default 0. */
  readonly waitMs?: number;
  /** Told once whom it waits for; null where the lock does not say. */
  readonly onWait?: (process: number | null) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param folder is there already
 * @throws {UserError} if another one writes it, naming the process; what `signal` was aborted with
 */
export async function lockFolder(folder: string, { waitMs = 0, onWait, signal }: LockOptions = {}): Promise<Lock> {
  const path = join(folder, LOCK);
  const own = JSON.stringify(thisProcess());
  const until = Date.now() + waitMs;
  for (let hasWaited = false; ; ) {
    signal?.throwIfAborted();
    if (await create(path, own)) return held(path, own);
    const owner = await ownerOf(path);
    if (owner === "none") continue;
    if (await isGone(owner, path, folder)) {
      await takeAway(folder, owner);
      continue;
    }
    if (Date.now() >= until) throw taken(folder, owner);
    if (!hasWaited) onWait?.(owner === "unreadable" ? null : owner.process);
    hasWaited = true;
    await sleep(POLL_MS);
  }
}

/** Whether a living process writes the folder at this moment. */
export async function isLocked(folder: string): Promise<boolean> {
  const path = join(folder, LOCK);
  const owner = await ownerOf(path);
  return owner !== "none" && !(await isGone(owner, path, folder));
}

function taken(folder: string, owner: Owner | "unreadable"): UserError {
  const who = owner === "unreadable" ? "another one" : `process ${owner.process} (since ${owner.since})`;
  return new UserError(
    `${folder}: a folder that no other process writes expected, found it written by ${who}; wait for it, or give another folder`,
  );
}

async function create(path: string, content: string): Promise<boolean> {
  return onDisk(path, "a folder that can be written", async () => {
    const file = await open(path, "wx").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return null;
      throw error;
    });
    if (!file) return false;
    try {
      await file.writeFile(content);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return true;
  });
}

function held(path: string, own: string): Lock {
  const renewal = setInterval(() => utimes(path, new Date(), new Date()).catch(() => undefined), RENEW_MS).unref();
  const leave = (): void => {
    if (isOwn(path, own)) unlinkSync(path);
  };
  process.once("exit", leave); // a process that ends in an orderly way leaves nothing behind
  return {
    async check() {
      if (isOwn(path, own)) return;
      throw new UserError(
        `${path}: the lock of this process expected, found another or none; the folder was removed or taken, start again`,
      );
    },
    async release() {
      clearInterval(renewal);
      process.removeListener("exit", leave);
      leave();
    },
  };
}

function isOwn(path: string, own: string): boolean {
  try {
    return readFileSync(path, "utf8") === own;
  } catch {
    return false;
  }
}

async function ownerOf(path: string): Promise<Owner | "unreadable" | "none"> {
  const bytes = await readFileIfThere(path, { limitBytes: 65_536 });
  if (!bytes) return "none";
  return parseOwner(new TextDecoder().decode(bytes)) ?? "unreadable"; // being written now, or its writer was killed in it
}

async function isGone(owner: Owner | "unreadable", path: string, folder: string): Promise<boolean> {
  const ended = owner === "unreadable" ? null : hasEnded(owner);
  return ended ?? isForgotten(path, folder);
}

/** By the clock of the disk, which may be another machine's. */
async function isForgotten(path: string, folder: string): Promise<boolean> {
  const probe = join(folder, `${LOCK}-clock-${process.pid}`);
  if (!(await create(probe, ""))) return false;
  try {
    const [now, lock] = await Promise.all([stat(probe), stat(path).catch(() => null)]);
    return lock !== null && now.mtimeMs - lock.mtimeMs > FORGOTTEN_MS;
  } finally {
    await rm(probe, { force: true });
  }
}

/** One process at a time takes a dead one's lock away, and looks again before it does. */
async function takeAway(folder: string, owner: Owner | "unreadable"): Promise<void> {
  const [path, takeover] = [join(folder, LOCK), join(folder, TAKEOVER)];
  if (!(await create(takeover, JSON.stringify(thisProcess())))) {
    const other = await ownerOf(takeover);
    if (other !== "none" && (await isGone(other, takeover, folder))) await rm(takeover, { force: true });
    else await sleep(POLL_MS);
    return;
  }
  try {
    const now = await ownerOf(path);
    if (JSON.stringify(now) === JSON.stringify(owner)) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}
