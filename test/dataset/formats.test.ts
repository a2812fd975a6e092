/** Every kind of picture that can be read, from files that are made here; and what those that cannot are told to do. */
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { decodePicture } from "../../src/dataset/image-file.ts";
import { type PngPicture, pngFile } from "./png-file.ts";

/** Upper left, upper right, lower left, lower right: colours that printing inks hold too. */
const CORNERS = [
  [180, 90, 80],
  [110, 140, 100],
  [90, 110, 150],
  [190, 180, 170],
] as const;
const SIDE = 32;

/** [H, W, 3] a square of four colours, one for each quarter. */
function quarters(corners: readonly (readonly number[])[]): Buffer {
  const at = (i: number) => corners[2 * Number(i >= (SIDE * SIDE) / 2) + Number(i % SIDE >= SIDE / 2)]!;
  return Buffer.from(Array.from({ length: SIDE * SIDE }, (_, i) => at(i)).flat());
}

function picture(corners: readonly (readonly number[])[] = CORNERS): Sharp {
  return sharp(quarters(corners), { raw: { width: SIDE, height: SIDE, channels: 3 } });
}

/** [4][3] what a network of 2x2 pixels reads: each quarter's colour. */
async function read(file: Uint8Array): Promise<number[][]> {
  const pixels = await decodePicture(file, [3, 2, 2]);
  return [0, 1, 2, 3].map((i) => [pixels[i]!, pixels[4 + i]!, pixels[8 + i]!]);
}

function farthest(found: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  return Math.max(...found.flatMap((one, i) => one.map((value, c) => Math.abs(value - expected[i]![c]!))));
}

describe("formats that lose nothing: the very colours", () => {
  const stripes = (height: number) =>
    ({ raw: { width: SIDE, height: height * SIDE, channels: 3, pageHeight: SIDE } }) as const;
  const frames = Buffer.concat([
    quarters(CORNERS),
    quarters([...CORNERS].reverse()),
    quarters(Array(4).fill(CORNERS[0])),
  ]);
  test.each<[string, () => Promise<Buffer>]>([
    ["PNG", () => picture().png().toBuffer()],
    ["PNG, interlaced", () => picture().png({ progressive: true }).toBuffer()],
    ["WebP without loss", () => picture().webp({ lossless: true }).toBuffer()],
    ["GIF", () => picture().gif().toBuffer()],
    [
      "animated GIF: the first frame",
      () =>
        sharp(frames, stripes(3))
          .gif({ delay: [50, 50, 50] })
          .toBuffer(),
    ],
    [
      "animated WebP: the first frame",
      () =>
        sharp(frames, stripes(3))
          .webp({ lossless: true, delay: [50, 50, 50] })
          .toBuffer(),
    ],
    ["TIFF", () => picture().tiff({ compression: "none" }).toBuffer()],
    ["TIFF, LZW", () => picture().tiff({ compression: "lzw", predictor: "horizontal" }).toBuffer()],
    [
      "TIFF in tiles",
      () => picture().tiff({ compression: "deflate", tile: true, tileWidth: 16, tileHeight: 16 }).toBuffer(),
    ],
  ])("%s", async (_, make) => {
    const file = await make();
    expect(await read(file)).toEqual(CORNERS.map((one) => [...one]));
  });

  test("the animated ones have three frames", async () => {
    for (const file of [
      await sharp(frames, stripes(3))
        .gif({ delay: [50, 50, 50] })
        .toBuffer(),
      await sharp(frames, stripes(3))
        .webp({ lossless: true, delay: [50, 50, 50] })
        .toBuffer(),
    ])
      expect((await sharp(file).metadata()).pages).toBe(3);
  });
});

describe("formats that lose something: as close as they are", () => {
  test.each<[string, number, () => Promise<Buffer>]>([
    ["JPEG", 3, () => picture().jpeg({ quality: 95 }).toBuffer()],
    ["JPEG, progressive, 4:2:0", 6, () => picture().jpeg({ quality: 85, progressive: true }).toBuffer()],
    ["WebP", 6, () => picture().webp({ quality: 90 }).toBuffer()],
    ["AVIF", 6, () => picture().avif({ quality: 80 }).toBuffer()],
    ["TIFF with JPEG inside", 6, () => picture().tiff({ compression: "jpeg", quality: 95 }).toBuffer()],
  ])("%s, within %i of 255", async (_, tolerance, make) => {
    expect(farthest(await read(await make()), CORNERS)).toBeLessThanOrEqual(tolerance);
  });

  // Inks are written by how they are to look (perceptual intent: what is outside their gamut draws the rest inwards) and read by
  // what they measure: a colour comes back darker and more saturated by up to 19 of 255, which is in the file and not in the reading.
  test.each([
    ["without a profile", (inks: Sharp) => inks],
    ["with the profile of its inks", (inks: Sharp) => inks.withIccProfile("cmyk")],
  ])("JPEG in CMYK %s: paper is white, colours as near as inks are, none turned round", async (_, profiled) => {
    const inks = async (corners?: readonly (readonly number[])[]): Promise<Buffer> => {
      const jpeg = profiled(picture(corners).toColourspace("cmyk"));
      const file = await jpeg.jpeg({ quality: 98, chromaSubsampling: "4:4:4" }).toBuffer();
      expect(await sharp(file).metadata()).toMatchObject({ space: "cmyk", channels: 4 });
      return file;
    };
    expect(farthest(await read(await inks()), CORNERS)).toBeLessThanOrEqual(21);
    const [paper] = await read(await inks(Array(4).fill([255, 255, 255])));
    expect(paper).toEqual([255, 255, 255]);
    const [orange] = await read(await inks(Array(4).fill([200, 60, 30]))); // more than inks can: no blue is left, or little
    expect(farthest([orange!], [[200, 55, 12]])).toBeLessThanOrEqual(14);
  });
});

describe("JPEG turned by EXIF, each of the eight ways", () => {
  // where the upright picture's corners come from in the stored one: EXIF 2.32, orientation
  const FROM: Readonly<Record<number, readonly number[]>> = {
    1: [0, 1, 2, 3],
    2: [1, 0, 3, 2],
    3: [3, 2, 1, 0],
    4: [2, 3, 0, 1],
    5: [0, 2, 1, 3],
    6: [2, 0, 3, 1],
    7: [3, 1, 2, 0],
    8: [1, 3, 0, 2],
  };
  test.each(Object.entries(FROM))("orientation %s", async (orientation, from) => {
    const file = await picture()
      .withMetadata({ orientation: Number(orientation) })
      .jpeg({ quality: 95 })
      .toBuffer();
    expect((await sharp(file).metadata()).orientation).toBe(Number(orientation));
    expect(
      farthest(
        await read(file),
        from.map((i) => CORNERS[i]!),
      ),
    ).toBeLessThanOrEqual(3);
  });
});

describe("PNG of every depth and kind", () => {
  const square = (one: Omit<PngPicture, "width" | "height">) => pngFile({ width: 2, height: 2, ...one });
  const grey = (...values: number[]) => values.map((one) => [one, one, one]);
  test.each<[string, Omit<PngPicture, "width" | "height">, number[][]]>([
    ["grey, 1 bit", { depth: 1, kind: "grey", samples: [0, 1, 1, 0] }, grey(0, 255, 255, 0)],
    ["grey, 2 bits", { depth: 2, kind: "grey", samples: [0, 1, 2, 3] }, grey(0, 85, 170, 255)],
    ["grey, 4 bits", { depth: 4, kind: "grey", samples: [0, 5, 10, 15] }, grey(0, 85, 170, 255)],
    ["grey, 8 bits", { depth: 8, kind: "grey", samples: [0, 90, 91, 255] }, grey(0, 90, 91, 255)],
    ["grey, 16 bits", { depth: 16, kind: "grey", samples: [0, 90 * 257, 91 * 257, 65535] }, grey(0, 90, 91, 255)],
    [
      "colour, 8 bits",
      { depth: 8, kind: "rgb", samples: [1, 2, 3, 40, 50, 60, 255, 0, 7, 9, 9, 9] },
      [
        [1, 2, 3],
        [40, 50, 60],
        [255, 0, 7],
        [9, 9, 9],
      ],
    ],
    [
      "colour, 16 bits",
      { depth: 16, kind: "rgb", samples: [1, 2, 3, 40, 50, 60, 255, 0, 7, 9, 9, 9].map((one) => 257 * one) },
      [
        [1, 2, 3],
        [40, 50, 60],
        [255, 0, 7],
        [9, 9, 9],
      ],
    ],
    ...[1, 2, 4, 8].map((depth): [string, Omit<PngPicture, "width" | "height">, number[][]] => [
      `a palette, ${depth} ${depth === 1 ? "bit" : "bits"}`,
      {
        depth,
        kind: "palette",
        samples: [0, 1, 1, 0],
        palette: [
          [10, 20, 30],
          [200, 100, 50],
        ],
      },
      [
        [10, 20, 30],
        [200, 100, 50],
        [200, 100, 50],
        [10, 20, 30],
      ],
    ]),
    [
      "a palette with a colour that is see-through",
      {
        depth: 2,
        kind: "palette",
        samples: [0, 1, 2, 1],
        palette: [
          [10, 20, 30],
          [0, 0, 0],
          [255, 0, 0],
        ],
        opacity: [255, 0],
      },
      [
        [10, 20, 30],
        [255, 255, 255],
        [255, 0, 0],
        [255, 255, 255],
      ],
    ],
    [
      "grey with opacity, on white",
      { depth: 8, kind: "greyAlpha", samples: [0, 255, 0, 0, 100, 255, 0, 51] },
      grey(0, 255, 100, 204),
    ],
    [
      "colour with opacity, on white",
      { depth: 8, kind: "rgba", samples: [255, 0, 0, 255, 255, 0, 0, 0, 0, 0, 255, 102, 5, 6, 7, 255] },
      [
        [255, 0, 0],
        [255, 255, 255],
        [153, 153, 255],
        [5, 6, 7],
      ],
    ],
    [
      "colour with opacity, 16 bits",
      {
        depth: 16,
        kind: "rgba",
        samples: [255, 0, 0, 255, 255, 0, 0, 0, 0, 0, 255, 102, 5, 6, 7, 255].map((one) => 257 * one),
      },
      [
        [255, 0, 0],
        [255, 255, 255],
        [153, 153, 255],
        [5, 6, 7],
      ],
    ],
  ])("%s", async (_, one, expected) => {
    expect(await read(square(one))).toEqual(expected);
  });
});

test("any shape: a line of one pixel, a pillar, a single pixel", async () => {
  for (const [width, height] of [
    [300, 1],
    [1, 300],
    [1, 1],
  ] as const) {
    const samples = Array.from({ length: width * height }, () => [10, 20, 30]).flat();
    const found = await read(pngFile({ width, height, depth: 8, kind: "rgb", samples }));
    expect(found).toEqual(Array.from({ length: 4 }, () => [10, 20, 30]));
  }
});

test.each([
  [
    "HEIC",
    Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1"),
    /HEIC .*convert it to JPEG \(macOS: sips .*heif-convert\)/,
  ],
  ["HEIC under another name", Buffer.from("\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "latin1"), /HEIC .*convert it/],
  ["BMP", Buffer.concat([Buffer.from("BM"), Buffer.alloc(60)]), /BMP .*convert it to PNG/],
  ["SVG", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG .*export it as PNG/],
  ["JPEG XL", Buffer.from("\xff\x0a\0\0\0\0", "latin1"), /JPEG XL .*convert it/],
  ["PDF", Buffer.from("%PDF-1.7\n"), /PDF .*export its pages/],
  ["text", Buffer.from("hello"), /no picture that is known/],
  ["nothing", Buffer.alloc(0), /an empty file/],
])("%s is named, with what to do", async (_, file, message) => {
  await expect(decodePicture(file, [3, 2, 2])).rejects.toThrow(message);
});
