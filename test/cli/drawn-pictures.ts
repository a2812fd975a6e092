/** Folders of drawn pictures as files, small and different. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { drawShape, SIDE } from "../../src/dataset/shape-drawing.ts";
import { seededRandom } from "../../src/random.ts";

/** `0/000.png`, `1/001.png`, ..: ten folders. @returns their paths within the folder, sorted */
export async function drawPictures(folder: string, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `${i % 10}/${String(i).padStart(5, "0")}.png`);
  for (const [i, name] of names.entries()) {
    const pixels = drawShape(i % 10, 0.1 + 0.2 * (i % 3), seededRandom(9, i)); // [3, SIDE, SIDE]
    const interleaved = Uint8Array.from(
      { length: pixels.length },
      (_, at) => pixels[(at % 3) * SIDE * SIDE + Math.floor(at / 3)]!,
    );
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    await sharp(interleaved, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .png({ compressionLevel: 1 })
      .toFile(join(folder, name));
  }
  return names.sort();
}
