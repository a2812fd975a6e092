// A folder of pictures for checks that need one's own.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { shapesDataset } from "../dist/index.js";

export const CLASSES = ["circle", "square", "triangle", "star"];
const SIDE = 32;

/** Drawn pictures as JPEG files, one folder per class; another seed draws others. @param side of each picture, in pixels */
export async function drawPictures(to, perClass, { seed, side = 48 }) {
  const { test, classes } = shapesDataset({ seed, trainCount: 0, testCount: 10 * perClass });
  const counts = new Map();
  for (let i = 0; i < test.count; i++) {
    const name = classes[test.labels[i]];
    if (!CLASSES.includes(name)) continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const planes = test.pixels.read(i, i + 1); // [3, SIDE, SIDE]
    const dots = Uint8Array.from(planes, (_, at) => planes[(at % 3) * SIDE * SIDE + Math.floor(at / 3)]);
    mkdirSync(join(to, name), { recursive: true });
    await sharp(dots, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .resize(side, side)
      .jpeg({ quality: 92 })
      .toFile(join(to, name, `${name}-${counts.get(name)}.jpg`));
  }
}
