import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { examplePictures, spread } from "../../src/report/examples.ts";
import { ANSWERED, TABLE, TAKEN } from "../evaluation/by-hand.ts";

describe("example pictures", () => {
  // four pictures of 2 x 1 pixels: red of 10 i, green of 10 i + 1, ...
  const pixels = Uint8Array.from({ length: 4 * 6 }, (_, i) => 10 * Math.floor(i / 6) + (i % 6));
  const source = {
    samples: createSamples(pixels, TABLE.labels),
    imageShape: [3, 1, 2] as const,
    classes: ["cat", "dog"],
    answers: ANSWERED,
    exits: TAKEN,
  };

  test("of each exit those that left there, the surest first", async () => {
    const found = await examplePictures(source);
    const said = found.map(({ exit, pictures }) => [
      exit,
      ...pictures.map(({ label, answer, confidence }) => `${label}: ${answer} ${confidence.toFixed(2)}`),
    ]);
    expect(said).toEqual([[1, "cat: cat 0.90", "dog: dog 0.80"], [2, "cat: cat 0.80", "dog: cat 0.60"], [3]]);
  });

  test("are PNGs of the very pixels", async () => {
    const [first] = await examplePictures(source);
    const [, base64] = first!.pictures[1]!.png.split("data:image/png;base64,");
    const { data, info } = await sharp(Buffer.from(base64!, "base64")).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 2, height: 1, channels: 3 });
    expect([...data]).toEqual([20, 22, 24, 21, 23, 25]); // image 2, planes to pixels
  });

  test("grey ones, too", async () => {
    const grey = { ...source, imageShape: [1, 3, 2] as const };
    const [first] = await examplePictures(grey);
    const png = Buffer.from(first!.pictures[0]!.png.split(",")[1]!, "base64");
    const { data, info } = await sharp(png).toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 2, height: 3 });
    expect([...data].filter((_, i) => i % info.channels === 0)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("are spread from the first to the last", () => {
    expect(spread([1, 2, 3], 12)).toEqual([1, 2, 3]);
    expect(spread([0, 1, 2, 3, 4, 5, 6, 7, 8], 3)).toEqual([0, 4, 8]);
  });
});
