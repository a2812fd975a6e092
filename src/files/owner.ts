/** Which process something belongs to, told so that a later one with the same number, or one on another machine, is not taken for it. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export interface Owner {
  readonly process: number;
  /** Machine and process namespace: process numbers mean the same there. */
  readonly place: string;
  /** Of the machine, null where it does not tell. */
  readonly boot: string | null;
  /** When the process began, in the system's own count; null where it does not tell. */
  readonly began: string | null;
  readonly since: string;
}

/** This process. */
export function thisProcess(): Owner {
  const namespace = quietly(() => readlinkSync("/proc/self/ns/pid")) ?? "";
  return {
    process: process.pid,
    place: `${hostname()} ${namespace}`,
    boot: quietly(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    began: beginningOf(process.pid),
    since: new Date().toISOString(),
  };
}

/** Whether there is a process of this number on this machine. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH"; // EPERM: there is, and it is somebody else's
  }
}

/** Whether a process of this machine and namespace has ended; null: it is none of them, so that nobody here can tell. */
export function hasEnded(owner: Owner): boolean | null {
  const own = thisProcess();
  if (owner.place !== own.place) return null;
  if (owner.boot !== own.boot || !isRunning(owner.process)) return true;
  return owner.began !== null && owner.began !== beginningOf(owner.process);
}

/** The owner that a text names; null where it names none. */
export function parseOwner(text: string): Owner | null {
  try {
    const owner = JSON.parse(text) as Owner;
    return typeof owner.process === "number" && typeof owner.place === "string" ? owner : null;
  } catch {
    return null;
  }
}

/** What Linux says: field 22 of /proc/PID/stat; null elsewhere, and for a process that has ended and waits to be buried. */
function beginningOf(pid: number): string | null {
  const fields = quietly(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (!fields) return null;
  const [state, ...rest] = fields.slice(fields.lastIndexOf(")") + 2).split(" "); // the name before may hold anything
  return state === "Z" || state === "X" ? null : (rest[18] ?? null);
}

function quietly(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null; // another system than Linux
  }
}
