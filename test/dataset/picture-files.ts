/** Pictures that tests write themselves. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";

/** The bytes of a PNG of one colour. */
export function plainPng(colour: string, width = 8, height = 8): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toBuffer();
}

/** Writes a picture of one colour; the name's ending tells the format. */
export async function writePlain(folder: string, name: string, colour: string, width = 8, height = 8): Promise<void> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await sharp({ create: { width, height, channels: 3, background: colour } }).toFile(path);
}
