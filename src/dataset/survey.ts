/** What can be known of pictures before they are decoded: how many, of which classes, how large. */
import sharp from "sharp";
import { readableFormat } from "./image-format.ts";
import { labelsFromFolders } from "./picture-folders.ts";
import { isPictureName } from "./pictures.ts";
import { openSourceFiles } from "./source-files.ts";

export interface Survey {
  /** Pictures of all splits. */
  readonly count: number;
  /** Median of the shorter sides, in pixels. */
  readonly side: number;
  /** Whether all that were looked at are grey. */
  readonly isGrey: boolean;
}

/** So many pictures' headers are read, spread evenly over the whole. */
const LOOKED_AT = 200;

/**
 * A look at a folder or archive of pictures.
 *
 * @returns null where the source holds no picture files, but a set of fixed size
 * @throws {UserError} if there is nothing at the path, or the folders do not say what the pictures show
 */
export async function surveyPictures(path: string): Promise<Survey | null> {
  const files = await openSourceFiles(path, isPictureName);
  const names = files.names.filter(isPictureName);
  if (names.length === 0) return null;
  const { length: count } = labelsFromFolders(names, path);
  const step = Math.max(1, Math.floor(names.length / LOOKED_AT));
  const sides: number[] = [];
  let isGrey = true;
  for (let i = 0; i < names.length; i += step) {
    const look = await lookAt(await files.read(names[i]!)).catch(() => null); // told when all are read, all at once
    if (!look) continue;
    sides.push(look.side);
    isGrey &&= look.isGrey;
  }
  if (sides.length === 0) return { count, side: 0, isGrey: false };
  return { count, side: sides.sort((a, b) => a - b)[sides.length >> 1]!, isGrey };
}

async function lookAt(bytes: Uint8Array): Promise<{ side: number; isGrey: boolean }> {
  readableFormat(bytes);
  const { width, height, space } = await sharp(bytes).metadata();
  return { side: Math.min(width, height), isGrey: space === "b-w" || space === "grey16" };
}
