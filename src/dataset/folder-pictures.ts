/** Pictures in folders that say their class. */

import { openRegularFile } from "../files/reader.ts";
import { FORMAT_BYTES, hasPictureName, sniffPicture } from "./image-format.ts";
import { labelsFromFolders } from "./picture-folders.ts";
import type { PictureSource } from "./picture-source.ts";
import { readSource, type SourceFiles } from "./source-files.ts";

/** A name that ends as pictures' names do, or does not say what it is: those are looked into. */
export function mayBePicture(name: string): boolean {
  return hasPictureName(name) || isBare(name);
}

function isBare(name: string): boolean {
  return !name.slice(name.lastIndexOf("/") + 1).includes(".");
}

/** The names of pictures among the files. */
export async function pictureNames(files: SourceFiles): Promise<string[]> {
  const names: string[] = [];
  for (const name of files.names)
    if (hasPictureName(name) || (isBare(name) && (await looksLikePicture(files, name)))) names.push(name);
  return names;
}

/** @throws {UserError} if the folders do not say what the pictures show */
export async function folderPictures(files: SourceFiles): Promise<PictureSource> {
  const names = await pictureNames(files);
  const pictures = labelsFromFolders(names, files.path);
  const others = files.names.length - names.length;
  return {
    path: files.path,
    pictures,
    passedOver: files.passedOver + others,
    notes: [],
    from: (picture) => files.place(pictures[picture]!.name),
    close: files.close,
  };
}

async function looksLikePicture(files: SourceFiles, name: string): Promise<boolean> {
  const { path, offset, packing } = files.place(name);
  if (packing !== "none") return sniffPicture(await readSource(files, name)) !== null;
  const file = await openRegularFile(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(FORMAT_BYTES), 0, FORMAT_BYTES, offset);
    return sniffPicture(buffer.subarray(0, bytesRead)) !== null;
  } finally {
    await file.close();
  }
}
