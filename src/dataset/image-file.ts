import sharp from "sharp";
import { UserError } from "../errors.ts";
import type { ImageShape } from "./dataset.ts";

const FORMATS = ["jpeg", "png", "webp"];

/**
 * A JPEG, PNG or WebP image as the bytes that a network of this input shape reads. Turned as its EXIF orientation says,
 * transparency laid on white, grey and CMYK converted to RGB, scaled until it covers H x W and cut in the middle.
 * An image that is H x W already keeps its pixels.
 *
 * @param image a path, or the bytes of the file
 * @returns [C, H, W]
 * @throws {UserError} if there is no such file, or it is not a whole image of one of the three formats
 * @throws {RangeError} if C is neither 3 nor 1 (grey)
 */
export async function readImage(
  image: string | Uint8Array,
  [channels, height, width]: ImageShape,
): Promise<Uint8Array> {
  if (channels !== 3 && channels !== 1) throw new RangeError(`readImage: expected 3 or 1 channels, found ${channels}`);
  const interleaved = await decode(image, height, width, channels === 1 ? "b-w" : "srgb").catch((cause: Error) => {
    const found = `${typeof image === "string" ? image : `${image.length} bytes`} (${cause.message.split("\n")[0]})`;
    throw new UserError(`image: expected a JPEG, PNG or WebP image, found ${found}; check the file`, { cause });
  });
  const planes = new Uint8Array(channels * height * width);
  const stride = interleaved.length / (height * width);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < height * width; i++) planes[c * height * width + i] = interleaved[i * stride + c]!;
  }
  return planes;
}

/** [H, W, C or more] bytes */
async function decode(image: string | Uint8Array, height: number, width: number, space: string): Promise<Uint8Array> {
  const { format } = await sharp(image).metadata();
  if (!FORMATS.includes(format)) throw new Error(`format ${format}`);
  return sharp(image)
    .autoOrient()
    .flatten({ background: "white" })
    .resize(width, height, { fit: "cover" })
    .toColourspace(space)
    .raw()
    .toBuffer();
}
