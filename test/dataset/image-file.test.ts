import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import type { ImageShape } from "../../src/dataset/dataset.ts";
import { readImage } from "../../src/dataset/image-file.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "./cifar-files.ts";

const shape: ImageShape = [3, 4, 4];
const bytes = Uint8Array.from({ length: 4 * 4 * 3 }, (_, i) => (i * 37) % 256); // [H, W, C]

/** A PNG of one colour per column. */
function columns(colours: number[][], height: number): Promise<Buffer> {
  const channels = colours[0]!.length as 1 | 3 | 4;
  const raw = Buffer.from(Array.from({ length: height }, () => colours.flat()).flat());
  return sharp(raw, { raw: { width: colours.length, height, channels } })
    .png()
    .toBuffer();
}

describe("readImage", () => {
  test("an image of the right size keeps its pixels; interleaved becomes planes", async () => {
    const image = sharp(bytes, { raw: { width: 4, height: 4, channels: 3 } });
    const path = join(temporaryFolder(), "image.png");
    await image.png().toFile(path);
    const planes = [0, 1, 2].flatMap((c) => Array.from({ length: 16 }, (_, i) => bytes[i * 3 + c]!));
    expect([...(await readImage(path, shape))]).toEqual(planes);
    expect([...(await readImage(await image.png().toBuffer(), shape))]).toEqual(planes);
    expect([...(await readImage(await image.webp({ lossless: true }).toBuffer(), shape))]).toEqual(planes);
  });

  test("JPEG comes out as close as JPEG is", async () => {
    const jpeg = await sharp({ create: { width: 9, height: 7, channels: 3, background: "#c86432" } })
      .jpeg({ quality: 95 })
      .toBuffer();
    const found = await readImage(jpeg, shape);
    for (const [i, value] of found.entries()) expect(Math.abs(value - [200, 100, 50][i >> 4]!)).toBeLessThan(4);
  });

  test("a wide image is cut in the middle, not squeezed", async () => {
    const colour = (x: number) => (x < 8 ? [255, 0, 0] : x < 16 ? [0, 255, 0] : [0, 0, 255]);
    const wide = await columns(
      Array.from({ length: 24 }, (_, x) => colour(x)),
      8,
    );
    const found = await readImage(wide, shape);
    const expected = [0, 255, 0];
    // Resampling mixes a little of the colours on both sides into the outer columns; squeezed, they would be red and blue.
    for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i >> 4]!)).toBeLessThan(20);
  });

  test("transparency is laid on white, grey becomes RGB, 16 bits become 8", async () => {
    const half = await columns(Array(4).fill([0, 0, 0, 128]), 4);
    expect(new Set(await readImage(half, shape))).toEqual(new Set([127]));
    const grey = await sharp({ create: { width: 4, height: 4, channels: 3, background: "#5a5a5a" } }).toColourspace(
      "b-w",
    );
    expect(new Set(await readImage(await grey.png().toBuffer(), shape))).toEqual(new Set([0x5a]));
    const deep = sharp({ create: { width: 4, height: 4, channels: 3, background: "#5a5a5a" } }).toColourspace("rgb16");
    expect(new Set(await readImage(await deep.png().toBuffer(), shape))).toEqual(new Set([0x5a]));
  });

  test("a network of one channel reads grey", async () => {
    const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#5a5a5a" } })
      .png()
      .toBuffer();
    const found = await readImage(image, [1, 4, 4]);
    expect([...found]).toEqual(Array(16).fill(0x5a));
    await expect(readImage(image, [2, 4, 4])).rejects.toThrow(RangeError);
  });

  test("a photo is turned as its EXIF orientation says", async () => {
    const black = [0, 0, 0];
    const white = [255, 255, 255];
    const upright = await columns([black, black, white, white], 4);
    const turned = await sharp(upright).withMetadata({ orientation: 3 }).png().toBuffer(); // 180 degrees
    const found = await readImage(turned, shape);
    expect([...found.subarray(0, 4)]).toEqual([255, 255, 0, 0]);
  });

  test("what is missing, no image, cut short, or of another format is the user's mistake", async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>');
    const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: "red" } })
      .jpeg()
      .toBuffer();
    const cut = jpeg.subarray(0, jpeg.length - 40);
    for (const image of ["no/such/cat.jpg", Buffer.from("hello"), new Uint8Array(), svg, cut]) {
      const error: unknown = await readImage(image, shape).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).message).toMatch(
        /^image: expected a picture \(JPEG, PNG, WebP, AVIF, GIF or TIFF\), found .*; check the file$/,
      );
    }
  });
});
