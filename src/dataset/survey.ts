/** What can be known of pictures before they are decoded: how many, of which classes, how large. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { readFileIfThere } from "../files/reader.ts";
import { replaceFile } from "../files/writer.ts";
import { contentDigest } from "./content.ts";
import { defaultCacheFolder } from "./download.ts";
import { readPlace } from "./file-place.ts";
import { readableFormat, sniffPicture } from "./image-format.ts";
import { loneArchive } from "./open-files.ts";
import { openSource } from "./open-source.ts";
import type { PictureSource } from "./picture-source.ts";
import { diskFiles } from "./pictures.ts";

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
const SURVEYS = "surveys";

export interface SurveyOptions {
  /** A table of the pictures' classes, see `OpenOptions`. */
  readonly labels?: string | undefined;
  /** Default `defaultCacheFolder()`. */
  readonly cacheFolder?: string;
}

/**
 * A look at pictures, wherever they are. An archive's is remembered, so that it is not unpacked for it again.
 *
 * @returns null where the source holds no picture files, but a set of fixed size
 * @throws {UserError} if there is nothing at the path, or it does not say what the pictures show
 */
export async function surveyPictures(given: string, options: SurveyOptions = {}): Promise<Survey | null> {
  const path = await loneArchive(given);
  const { labels, cacheFolder = defaultCacheFolder() } = options;
  const isArchive = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  const memo =
    isArchive && !labels ? join(cacheFolder, SURVEYS, await contentDigest(diskFiles(path, []), cacheFolder)) : null;
  const known = memo && (await readFileIfThere(memo));
  if (known) return JSON.parse(new TextDecoder().decode(known)) as Survey | null;
  const source = await openSource(path, { cacheFolder, testOnly: false, ...(labels ? { labels } : {}) });
  try {
    const survey = source.kind === "pictures" ? await look(source.pictures) : null;
    if (memo) {
      await mkdir(join(cacheFolder, SURVEYS), { recursive: true });
      await replaceFile(memo, JSON.stringify(survey));
    }
    return survey;
  } finally {
    await source.files.close();
  }
}

async function look({ pictures, from }: PictureSource): Promise<Survey> {
  const { length: count } = pictures;
  const step = Math.max(1, Math.floor(count / LOOKED_AT));
  const sides: number[] = [];
  let isGrey = true;
  for (let i = 0; i < count; i += step) {
    const place = await from(i);
    const bytes = place instanceof Uint8Array ? place : await readPlace(place).catch(() => null);
    const found = bytes && (await lookAt(bytes).catch(() => null)); // told when all are read, all at once
    if (!found) continue;
    sides.push(found.side);
    isGrey &&= found.isGrey;
  }
  if (sides.length === 0) return { count, side: 0, isGrey: false };
  return { count, side: sides.sort((a, b) => a - b)[sides.length >> 1]!, isGrey };
}

async function lookAt(bytes: Uint8Array): Promise<{ side: number; isGrey: boolean }> {
  readableFormat(bytes);
  const { width, height, space } = await sharp(bytes).metadata();
  return { side: Math.min(width, height), isGrey: space === "b-w" || space === "grey16" };
}

/** What the headers of picture files say. */
export interface PictureFacts {
  /** Pictures of all splits. */
  readonly count: number;
  /** So many headers were read, spread evenly. */
  readonly looked: number;
  readonly formats: Readonly<Record<string, number>>;
  readonly channels: Readonly<Record<string, number>>;
  /** "160x120", by the number of pixels */
  readonly sizes: { readonly smallest: string; readonly median: string; readonly largest: string };
  /** Pictures that lie turned and say so. */
  readonly turned: number;
  readonly passedOver: number;
}

const FACTS_OF = 2000;

/** A longer look, for people. @returns null as `surveyPictures` does */
export async function lookAtPictures(given: string, options: SurveyOptions = {}): Promise<PictureFacts | null> {
  const path = await loneArchive(given);
  const { labels, cacheFolder = defaultCacheFolder() } = options;
  const source = await openSource(path, { cacheFolder, testOnly: false, ...(labels ? { labels } : {}) });
  try {
    return source.kind === "pictures" ? await factsOf(source.pictures) : null;
  } finally {
    await source.files.close();
  }
}

async function factsOf({ pictures, passedOver, from }: PictureSource): Promise<PictureFacts> {
  const { length: count } = pictures;
  const [formats, channels]: [Record<string, number>, Record<string, number>] = [{}, {}];
  const sizes: { area: number; text: string }[] = [];
  let turned = 0;
  for (let i = 0; i < count; i += Math.max(1, Math.ceil(count / FACTS_OF))) {
    const place = await from(i);
    const bytes = place instanceof Uint8Array ? place : await readPlace(place).catch(() => new Uint8Array());
    const kind = sniffPicture(bytes) ?? "unreadable";
    formats[kind] = (formats[kind] ?? 0) + 1;
    const found = await sharp(bytes)
      .metadata()
      .catch(() => null);
    if (!found) continue;
    channels[found.channels] = (channels[found.channels] ?? 0) + 1;
    if ((found.orientation ?? 1) > 1) turned++;
    sizes.push({ area: found.width * found.height, text: `${found.width}x${found.height}` });
  }
  sizes.sort((a, b) => a.area - b.area);
  const at = (share: number) => sizes[Math.floor(share * (sizes.length - 1))]?.text ?? "none";
  const looked = Object.values(formats).reduce((sum, number) => sum + number, 0);
  return {
    count,
    looked,
    formats,
    channels,
    sizes: { smallest: at(0), median: at(0.5), largest: at(1) },
    turned,
    passedOver,
  };
}
