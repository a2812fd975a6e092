/** What `classify` is given: files, folders, archives and patterns, as pictures one after the other. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { defaultCacheFolder } from "../dataset/download.ts";
import { hasPictureName } from "../dataset/image-format.ts";
import { openSourceFiles } from "../dataset/open-files.ts";
import { readSource } from "../dataset/source-files.ts";
import { UserError } from "../errors.ts";

const ARCHIVE = /\.(tar|tgz|tar\.gz|zip)$/i;

/** A picture, read when it is its turn. */
export interface GivenPicture {
  readonly name: string;
  /** A path, or the bytes of the file. */
  read(): Promise<string | Uint8Array>;
}

/**
 * Files as they are, of folders and archives every picture at any depth, of patterns (`photos/*.jpg`, `**` for any depth) every file
 * that fits, and standard input for "-".
 *
 * @throws {UserError} if a folder or pattern holds no picture
 */
export async function picturesIn(given: readonly string[]): Promise<GivenPicture[]> {
  const lists = await Promise.all(given.map(picturesOf));
  return lists.flat();
}

async function picturesOf(given: string): Promise<GivenPicture[]> {
  if (given === "-") return [{ name: "-", read: standardInput }];
  if (/[*?]/.test(given) && !existsSync(given)) return matching(given);
  const isFolder = await stat(given).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder && !ARCHIVE.test(given)) return [{ name: given, read: async () => given }];
  return atLeastOne(await filesBelow(given, hasPictureName), given);
}

async function filesBelow(path: string, isWanted: (name: string) => boolean): Promise<GivenPicture[]> {
  const files = await openSourceFiles(path, isWanted, join(defaultCacheFolder(), "unpacked"));
  process.once("exit", () => void files.close()); // pictures are read until the end
  const isArchive = ARCHIVE.test(path);
  return files.names.filter(isWanted).map((name) => {
    const whole = join(path, name);
    return { name: whole, read: async () => (isArchive ? readSource(files, name) : whole) };
  });
}

/** The folders before the first `*` or `?` are opened; what lies in them is compared with the rest. */
async function matching(pattern: string): Promise<GivenPicture[]> {
  const parts = pattern.split(/[\\/]/);
  const first = parts.findIndex((part) => /[*?]/.test(part));
  const folder = parts.slice(0, first).join("/") || (pattern.startsWith("/") ? "/" : ".");
  const wanted = new RegExp(
    `^${parts.slice(first).map(expression).join("/").replaceAll("<any>/", "(?:.*/)?").replace("<any>", ".*")}$`,
  );
  return atLeastOne(await filesBelow(folder, (name) => wanted.test(name)), pattern);
}

function expression(part: string): string {
  if (part === "**") return "<any>";
  const escaped = part.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return escaped.replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
}

function atLeastOne(pictures: GivenPicture[], where: string): GivenPicture[] {
  if (pictures.length > 0) return pictures;
  throw new UserError(
    `classify: pictures (JPEG, PNG, WebP, AVIF, GIF or TIFF) expected in ${where}, found none; check the path`,
  );
}

async function standardInput(): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of process.stdin) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}
