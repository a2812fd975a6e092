/** Drawn pictures as files, and the model that knows them. */
import sharp from "sharp";
import { drawShape, SIDE } from "../../src/dataset/shape-drawing.ts";
import { seededRandom } from "../../src/random.ts";

export const MODEL = new URL("../../models/shapes", import.meta.url).pathname;

/** [3, SIDE, SIDE] */
export function pixelsOf(kind: number, noise = 0.05): Uint8Array {
  return drawShape(kind, noise, seededRandom(7, kind));
}

/** As the bytes of a PNG file: no loss. */
export function picture(kind: number): Promise<Buffer> {
  const planes = pixelsOf(kind);
  const area = SIDE * SIDE;
  const interleaved = Uint8Array.from({ length: 3 * area }, (_, i) => planes[(i % 3) * area + Math.floor(i / 3)]!);
  return sharp(interleaved, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toBuffer();
}
