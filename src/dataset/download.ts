import { createHash } from "node:crypto";
import { mkdir, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { putInPlace, writeParts } from "../files/large.ts";
import { openRegularFile } from "../files/reader.ts";

const ARCHIVE = "cifar-10-binary.tar.gz";
const URL_CIFAR_10 = `https://www.cs.toronto.edu/~kriz/${ARCHIVE}`;
const MD5_CIFAR_10 = "c32a1d4ab5d03f1284b67883e8d87530"; // published on https://www.cs.toronto.edu/~kriz/cifar.html

export interface DownloadProgress {
  /** Bytes on disk so far, those of an earlier attempt included. */
  readonly received: number;
  /** Bytes of the whole archive; null where the server does not say. */
  readonly total: number | null;
}

export interface DownloadOptions {
  /** Created if missing. */
  readonly cacheFolder: string;
  readonly onProgress: (progress: DownloadProgress) => void;
  /** Default: the official archive. */
  readonly url?: string;
  /** In hex; default: that of the official archive. */
  readonly md5?: string;
}

/** `$XDG_CACHE_HOME/earlyexit`, or `~/.cache/earlyexit`. */
export function defaultCacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "earlyexit");
}

/**
 * Downloads the CIFAR-10 archive into the cache folder, once: 170 MB, written to `.part` and renamed when its MD5 is right.
 * A download that broke off continues where it stopped, or starts again if the server cannot continue.
 *
 * @returns the path of the archive
 * @throws {UserError} if the network or the disk fails (what has arrived is kept), or the MD5 is wrong (it is deleted)
 */
export async function downloadCifar10(options: DownloadOptions): Promise<string> {
  const { cacheFolder, onProgress, url = URL_CIFAR_10, md5 = MD5_CIFAR_10 } = options;
  const path = join(cacheFolder, ARCHIVE);
  if ((await fileSize(path)) > 0) return path;
  const part = `${path}.part`;
  try {
    await mkdir(cacheFolder, { recursive: true });
    await receive(url, part, onProgress);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw failed(url, reason(cause), cause);
  }
  const found = await md5Of(part);
  if (found !== md5) {
    await rm(part);
    throw new UserError(`download: expected MD5 ${md5} of ${url}, found ${found}; deleted it, run the command again`);
  }
  await putInPlace(part, path);
  return path;
}

async function receive(url: string, part: string, onProgress: DownloadOptions["onProgress"]): Promise<void> {
  const before = await fileSize(part);
  const headers = { "accept-encoding": "identity", ...(before > 0 && { range: `bytes=${before}-` }) };
  const response = await fetch(url, { headers });
  if (response.status === 416) return; // nothing is left to send: the MD5 tells whether the part is the whole
  if (!response.ok || response.body === null) throw failed(url, `HTTP status ${response.status}`);
  const isContinued = response.status === 206 && continuesAt(response, before);
  if (response.status === 206 && !isContinued) throw failed(url, "an answer for another range of bytes");
  let received = isContinued ? before : 0;
  const length = response.headers.get("content-length");
  const total = length === null ? null : received + Number(length);
  const file = writeParts(part, { isContinued });
  try {
    for await (const chunk of response.body) {
      file.write(chunk);
      received += chunk.length;
      onProgress({ received, total });
    }
    file.flush();
  } finally {
    file.close();
  }
}

function continuesAt(response: Response, start: number): boolean {
  return response.headers.get("content-range")?.startsWith(`bytes ${start}-`) ?? false;
}

function failed(url: string, found: string, cause?: unknown): UserError {
  const advice = "check the connection and run the command again (it continues), or use --data with a local copy";
  return new UserError(`download: expected ${url}, found ${found}; ${advice}`, { cause });
}

/** `fetch` says "fetch failed" or "terminated" and hides why in `cause`. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

async function fileSize(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

async function md5Of(path: string): Promise<string> {
  const hash = createHash("md5");
  const file = await openRegularFile(path);
  for await (const chunk of file.createReadStream({ highWaterMark: 2 ** 20 })) hash.update(chunk); // closes it
  return hash.digest("hex");
}
