/** What identifies data by its content: read once, and known again by names, sizes and times until one of them changes. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openRegularFile, readFile, readTextIfThere } from "../files/reader.ts";
import { replaceFile } from "../files/writer.ts";

const FOLDER = "digests";
/** A file that changed within this time may change again without its time telling. */
const SETTLED_MS = 2000;
const READERS = 8;
/** Read at once: a stream costs more than so many bytes do. */
const SMALL = 2 ** 23;

/** A file on disk, and what it is called within the data. */
export interface DiskFile {
  readonly name: string;
  readonly path: string;
}

/** What the file system says of the files, in hex; and the time of the last change. */
function listingOf(files: readonly DiskFile[]): { digest: string; newest: number } {
  const hash = createHash("sha256");
  let newest = 0;
  for (const { name, path } of files) {
    const { size, mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
    hash.update(`${name}\0${path}\0${size}\0${mtimeNs}\0${ctimeNs}\0${ino}\n`);
    newest = Math.max(newest, Number(ctimeNs / 1_000_000n));
  }
  return { digest: hash.digest("hex"), newest };
}

/**
 * SHA-256 over names and contents, in hex, if it is known without reading them.
 *
 * @param cacheFolder where digests are kept
 */
export async function knownDigest(files: readonly DiskFile[], cacheFolder: string): Promise<string | null> {
  const found = await readTextIfThere(join(cacheFolder, FOLDER, listingOf(files).digest));
  return found !== null && /^[0-9a-f]{64}$/.test(found) ? found : null;
}

/** The same, read if it must be. @param onProgress files done, of all */
export async function contentDigest(
  files: readonly DiskFile[],
  cacheFolder: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<string> {
  const known = await knownDigest(files, cacheFolder);
  if (known) return known;
  const before = listingOf(files);
  const digests = new Array<string>(files.length);
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    while (next < files.length) {
      const i = next++;
      digests[i] = await fileDigest(files[i]!.path);
      onProgress(++done, files.length);
    }
  };
  await Promise.all(Array.from({ length: READERS }, work));
  const hash = createHash("sha256");
  for (const [i, { name }] of files.entries()) hash.update(`${name}\0${digests[i]}\n`);
  const digest = hash.digest("hex");
  if (Date.now() - before.newest > SETTLED_MS) {
    await mkdir(join(cacheFolder, FOLDER), { recursive: true });
    await replaceFile(join(cacheFolder, FOLDER, before.digest), digest);
  }
  return digest;
}

/** Of one that cannot be read the reason: it is told when it is decoded. */
async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    if (statSync(path).size < SMALL) return hash.update(await readFile(path)).digest("hex");
    const file = await openRegularFile(path);
    for await (const chunk of file.createReadStream({ highWaterMark: 2 ** 20 })) hash.update(chunk); // closes it
  } catch (error) {
    const { code, cause } = error as NodeJS.ErrnoException;
    return String(code ?? (cause as NodeJS.ErrnoException | undefined)?.code ?? "no regular file");
  }
  return hash.digest("hex");
}
