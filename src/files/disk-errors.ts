import { UserError } from "../errors.ts";

/** What the system calls it, what that is in words, and what helps. */
const CAUSES: Readonly<Record<string, readonly [found: string, advice: string]>> = {
  ENOENT: ["nothing there", "check the path"],
  ENOTDIR: ["a file where a folder should be", "check the path"],
  EISDIR: ["a folder", "give the path of a file"],
  EEXIST: ["something in its place", "give another path"],
  ENOTEMPTY: ["a folder that is not empty", "give another path"],
  EACCES: ["no permission", "change the permissions, or give another path"],
  EPERM: ["no permission", "change the permissions, or give another path"],
  EROFS: ["a read-only disk", "give another path"],
  ENOSPC: ["no room left on the disk", "make room and run it again"],
  EDQUOT: ["no room left in the user's share of the disk", "make room and run it again"],
  EFBIG: ["a file that is larger than this disk allows", "give another path"],
  ENAMETOOLONG: ["a name that is too long", "give a shorter path"],
  EINVAL: ["a name or a file that the system does not take", "give another path"],
  EILSEQ: ["a name that the system does not take", "give another path"],
  ELOOP: ["links that lead round in a circle", "check the path"],
  EMFILE: ["too many open files", "raise the limit (ulimit -n)"],
  ENFILE: ["too many open files", "close other programs"],
  EBUSY: ["a file in use", "close what uses it and run it again"],
  ETXTBSY: ["a file in use", "close what uses it and run it again"],
  EIO: ["a disk that fails", "check the disk"],
  ENXIO: ["a device that is not there", "give the path of a file"],
  ENODEV: ["a device that is not there", "give the path of a file"],
  ESTALE: ["a folder that is no longer there", "mount it again"],
  EXDEV: ["another disk", "give another path"],
};

/**
 * An error of the file system as the user's matter; null where it is something else.
 *
 * @param where the path, or what was tried
 * @param expected "a file that can be read", for example
 */
export function diskError(cause: unknown, where: string, expected: string): UserError | null {
  if (!(cause instanceof Error) || !("code" in cause) || typeof cause.code !== "string") return null;
  if (cause.code === "ERR_INVALID_ARG_VALUE" && "message" in cause && cause.message.includes("null bytes"))
    return new UserError(`${where}: ${expected} expected, found a path with a null byte; check the path`, { cause });
  const known = CAUSES[cause.code];
  if (!known) return null;
  const [found, advice] = known;
  return new UserError(`${where}: ${expected} expected, found ${found} (${cause.code}); ${advice}`, { cause });
}

/** Does something with a file. @throws {UserError} for what the disk refuses; all else as it is */
export async function onDisk<T>(where: string, expected: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw diskError(cause, where, expected) ?? cause;
  }
}

/** Whether an error says that there is no such file. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
