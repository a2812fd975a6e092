/**
 * The pictures of a folder or an archive as a list on disk, cut into parts of so many pictures, so that many processes can read one part
 * each without looking through the folder again.
 *
 *     ["deep/a.jpg",48211]     one line per picture, in the order of the names: path within the data, bytes of the file
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { openRandom, putInPlace, writeParts } from "../files/large.ts";
import { openRegularFile } from "../files/reader.ts";
import { sha256, sha256Of } from "../files/sha256.ts";
import { type FilePlace, readPlace, wholeFile } from "./file-place.ts";
import { mayBePicture, pictureNames } from "./folder-pictures.ts";
import { isArchive, openSourceFiles } from "./open-files.ts";

/** Where a part of a list lies in its file. */
export interface ListPart {
  /** Of its first byte. */
  readonly offset: number;
  readonly bytes: number;
  readonly pictures: number;
  /** Of these bytes. */
  readonly sha256: string;
  /** Of the part's first picture: other data under the same names and of the same sizes is found out by one file of each part. */
  readonly firstSha256: string;
}

/** Files whose bytes are asked for at once. */
const ASKED_AT_ONCE = 64;

/**
 * Writes the list of all pictures at a path.
 *
 * @param data a folder, `.zip`, `.tar` or `.tar.gz`
 * @param file where the list is written to; whoever looks finds it whole or not at all
 * @param size pictures in a part, at most
 * @param onPicture told how many are listed, of all
 * @throws {UserError} if there is no picture at the path, or a name that a list cannot hold
 */
export async function writePictureList(
  data: string,
  file: string,
  size: number,
  { scratchFolder, onPicture = () => {} }: { scratchFolder: string; onPicture?: (done: number, total: number) => void },
): Promise<ListPart[]> {
  const files = await openSourceFiles(data, mayBePicture, scratchFolder);
  const part = `${file}.${randomUUID()}.part`;
  const parts: ListPart[] = [];
  try {
    const names = await pictureNames(files);
    if (names.length === 0)
      throw new UserError(
        `data: pictures (JPEG, PNG, WebP, AVIF, GIF or TIFF) expected in ${data}, found none; check the path`,
      );
    const writer = writeParts(part);
    try {
      for (let from = 0, offset = 0; from < names.length; from += size) {
        const some = names.slice(from, from + size);
        const bytes = new TextEncoder().encode(await linesOf(some, files.place));
        writer.write(bytes);
        const firstSha256 = sha256(await readPlace(files.place(some[0]!)));
        parts.push({ offset, bytes: bytes.length, pictures: some.length, sha256: sha256(bytes), firstSha256 });
        offset += bytes.length;
        onPicture(from + some.length, names.length);
      }
      writer.flush();
    } finally {
      writer.close();
    }
  } finally {
    await files.close();
  }
  await putInPlace(part, file);
  return parts;
}

async function linesOf(names: readonly string[], place: (name: string) => FilePlace): Promise<string> {
  const lines: string[] = [];
  for (let from = 0; from < names.length; from += ASKED_AT_ONCE) {
    const some = names.slice(from, from + ASKED_AT_ONCE);
    lines.push(...(await Promise.all(some.map(async (name) => JSON.stringify([name, await bytesAt(place(name))])))));
  }
  return lines.map((line) => `${line}\n`).join("");
}

async function bytesAt({ path, size }: FilePlace): Promise<number> {
  if (size !== null) return size;
  const file = await openRegularFile(path);
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** A picture that a list names. */
export interface ListedPicture {
  readonly path: string;
  readonly bytes: number;
}

/** @throws {UserError} if the file holds something else there than when it was written */
export function readListPart(file: string, { offset, bytes, sha256: expected }: ListPart): ListedPicture[] {
  const content = new Uint8Array(bytes);
  openRandom(file).read(content, offset);
  const found = sha256(content);
  if (found !== expected)
    throw new UserError(
      `${file}: the list that was planned expected at ${offset} (SHA-256 ${expected.slice(0, 12)}...), found another ` +
        `(${found.slice(0, 12)}...); give another --out, and start afresh`,
    );
  const lines = new TextDecoder().decode(content).split("\n").slice(0, -1);
  return lines.map((line) => {
    const [path, size] = JSON.parse(line) as [string, number];
    return { path, bytes: size };
  });
}

/** Of all parts: what the list is known by. */
export function listDigest(parts: readonly ListPart[]): string {
  return sha256Of(parts.map((part) => new TextEncoder().encode(part.sha256 + part.firstSha256)));
}

/** Reads listed pictures, in whatever order. */
export interface ListedPictures {
  /** @throws {UserError} if the file is gone or its size is not the listed one */
  read(picture: ListedPicture): Promise<Uint8Array>;
  /** @throws {UserError} if a part's first picture is not the one that was listed */
  check(first: ListedPicture, part: ListPart): Promise<void>;
  close(): Promise<void>;
}

/** @param data where the pictures lie: the path that the list was made of, or a copy of what is there */
export async function openListedPictures(data: string, scratchFolder: string): Promise<ListedPictures> {
  const files = isArchive(data) ? await openSourceFiles(data, mayBePicture, scratchFolder) : null;
  const known = files && new Set(files.names);
  const placeOf = (name: string): FilePlace => (files ? files.place(name) : wholeFile(join(data, name)));
  const changed = ({ path, bytes }: ListedPicture, found: string, cause?: unknown): UserError =>
    new UserError(
      `data: ${path} of ${bytes} bytes expected in ${data}, as it was listed, found ${found}; ` +
        "put the data back, or start afresh with another --out",
      { cause },
    );
  const read = async (picture: ListedPicture): Promise<Uint8Array> => {
    if (known && !known.has(picture.path)) throw changed(picture, "none");
    const content = await readPlace(placeOf(picture.path)).catch((cause: Error) => {
      throw changed(picture, cause.message, cause);
    });
    if (content.length !== picture.bytes) throw changed(picture, `${content.length} bytes`);
    return content;
  };
  return {
    read,
    async check(first, { firstSha256 }) {
      if (sha256(await read(first)) !== firstSha256) throw changed(first, "another picture of that size");
    },
    close: async () => files?.close(),
  };
}
