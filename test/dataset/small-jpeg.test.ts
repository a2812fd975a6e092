/** Small JPEG files are read without libvips, and give the same. */
import sharp from "sharp";
import { expect, test } from "vitest";
import { decodePicture } from "../../src/dataset/image-file.ts";
import { imageDataPixels, rgbPixels } from "../../src/dataset/scale.ts";
import { decodeSmallJpeg } from "../../src/dataset/small-jpeg.ts";
import { integer, seededRandom } from "../../src/random.ts";

const random = seededRandom(5);
const SHAPE = [3, 32, 32] as const;

/** A drawing with edges and noise, so that both colour and transform have something to do. */
function drawn(width: number, height: number): ReturnType<typeof sharp> {
  const pixels = new Uint8Array(3 * width * height);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let k = 0; k < 3; k++) pixels[at++] = ((x >> 3) * 60 + (y >> 2) * 35 * k + integer(random, 0, 40)) & 255;
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** As libvips alone reads it. */
async function byLibvips(file: Uint8Array): Promise<Uint8Array> {
  const { data, info } = await sharp(file, { failOn: "error" })
    .autoOrient()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels === 3) return rgbPixels(data, width, height, SHAPE);
  const rgba = Uint8Array.from({ length: 4 * data.length }, (_, i) => (i % 4 === 3 ? 255 : data[i >> 2]!));
  return imageDataPixels({ data: rgba, width, height }, SHAPE);
}

const SIZES = [
  [32, 32],
  [1, 1],
  [33, 17],
  [128, 128],
  [16, 1000],
  [97, 61],
] as const;
const KINDS = [
  { quality: 75 },
  { quality: 95, chromaSubsampling: "4:4:4" },
  { quality: 40, progressive: true },
  { quality: 88, mozjpeg: true },
] as const;

test("the same bytes as libvips gives: sizes, qualities, chroma, progressive, grey", async () => {
  for (const [width, height] of SIZES)
    for (const kind of KINDS)
      for (const isGrey of [false, true]) {
        const file = await drawn(width, height).greyscale(isGrey).jpeg(kind).toBuffer();
        const small = await decodeSmallJpeg(file);
        expect(small, JSON.stringify([width, height, kind, isGrey])).toMatchObject({ width, height });
        expect(imageDataPixels(small!, SHAPE)).toEqual(await byLibvips(file));
      }
  expect("ImageData" in globalThis).toBe(false);
});

test("what another reader might see differently is libvips' to read", async () => {
  const plain = await drawn(40, 30).jpeg().toBuffer();
  expect(await decodeSmallJpeg(plain)).not.toBeNull();
  const others = {
    turned: await drawn(40, 30).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    profile: await drawn(40, 30).withIccProfile("p3").jpeg().toBuffer(),
    cmyk: await drawn(40, 30).toColourspace("cmyk").jpeg().toBuffer(),
    large: await drawn(129, 128).jpeg().toBuffer(),
    cut: plain.subarray(0, plain.length - 40),
    png: await drawn(40, 30).png().toBuffer(),
    nothing: new Uint8Array(3),
  };
  for (const [name, file] of Object.entries(others)) expect(await decodeSmallJpeg(file), name).toBeNull();
  expect(await decodePicture(others.turned, SHAPE)).toEqual(await byLibvips(others.turned));
});

test("damaged files: what libvips reads is read, what it refuses is refused, and the next one is as before", async () => {
  const whole = await drawn(48, 48).jpeg({ quality: 80 }).toBuffer();
  const expected = await byLibvips(whole);
  let [read, refused] = [0, 0];
  for (let i = 0; i < 300; i++) {
    const file = Uint8Array.from(whole);
    for (let flips = integer(random, 1, 3); flips > 0; flips--)
      file[integer(random, 2, file.length - 3)] = integer(random, 0, 255);
    const [ours, theirs] = await Promise.allSettled([decodePicture(file, SHAPE), byLibvips(file)]);
    expect(ours.status, `case ${i}`).toBe(theirs.status);
    if (ours.status === "fulfilled") read++;
    else refused++;
  }
  expect(Math.min(read, refused)).toBeGreaterThan(10);
  expect(await decodePicture(whole, SHAPE)).toEqual(expected);
});
