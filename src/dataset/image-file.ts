import sharp from "sharp";
import { UserError } from "../errors.ts";
import { readFile } from "../files/reader.ts";
import type { ImageShape } from "./dataset.ts";
import { readableFormat } from "./image-format.ts";
import { imageDataPixels, rgbPixels } from "./scale.ts";
import { decodeSmallJpeg } from "./small-jpeg.ts";

/** Larger pictures are refused: 134 million pixels, 512 MiB when decoded. */
export const PIXEL_LIMIT = 2 ** 27;

/** No camera writes larger files. */
const PICTURE_FILE = { limitBytes: 2 ** 29, raisedBy: "make it smaller" };

/**
 * A picture's file as the bytes that a network of this input shape reads: decoded in full, turned as its EXIF orientation says,
 * converted to sRGB of 8 bits, then scaled as `scale.ts` says. Of an animated file the first frame, of several pages the first.
 *
 * @param image a path, or the bytes of the file
 * @returns [C, H, W]
 * @throws {UserError} if there is no such file, or it is not a whole picture of a format that can be read
 * @throws {RangeError} if C is neither 3 nor 1 (grey)
 */
export async function readImage(image: string | Uint8Array, shape: ImageShape): Promise<Uint8Array> {
  const [channels] = shape;
  if (channels !== 3 && channels !== 1) throw new RangeError(`readImage: expected 3 or 1 channels, found ${channels}`);
  if (typeof image !== "string" && !(image instanceof Uint8Array))
    throw new TypeError(
      `image: a path, the bytes of a file, { data, width, height }, { pixels } or { tensor } expected, found ${JSON.stringify(image) ?? "nothing"}`,
    );
  try {
    return await decodePicture(typeof image === "string" ? await readFile(image, PICTURE_FILE) : image, shape);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    const found = `${typeof image === "string" ? image : `${image.length} bytes`} (${reason})`;
    throw new UserError(
      `image: expected a picture (JPEG, PNG, WebP, AVIF, GIF or TIFF), found ${found}; check the file`,
      {
        cause,
      },
    );
  }
}

/**
 * The same for the bytes of a file. What it throws says in a few words what is wrong.
 *
 * @returns [C, H, W]
 */
export async function decodePicture(bytes: Uint8Array, shape: ImageShape): Promise<Uint8Array> {
  const small = readableFormat(bytes) === "jpeg" ? await decodeSmallJpeg(bytes) : null;
  if (small) return imageDataPixels(small, shape);
  const { data, info } = await sharp(bytes, { limitInputPixels: PIXEL_LIMIT, failOn: "error" })
    .autoOrient()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels === 3) return rgbPixels(data, width, height, shape);
  return imageDataPixels({ data: withOpacity(data, channels), width, height }, shape);
}

/** RGBA of grey, with opacity or without; sharp's own `ensureAlpha` takes a quarter of the time of a small picture. @param data [height, width, channels] */
function withOpacity(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 4) return data;
  const area = data.length / channels;
  const rgba = new Uint8Array(4 * area).fill(255);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 4) {
    rgba[to] = data[from]!;
    rgba[to + 1] = data[from]!;
    rgba[to + 2] = data[from]!;
    if (channels === 2) rgba[to + 3] = data[from + 1]!;
  }
  return rgba;
}
