/** PNG files of any depth and kind, which no encoder at hand writes. */
import { crc32, deflateSync } from "node:zlib";

export interface PngPicture {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  readonly kind: "grey" | "rgb" | "palette" | "greyAlpha" | "rgba";
  /** [H, W, samples] whole numbers below 2 ** depth; of a palette, places in it */
  readonly samples: readonly number[];
  /** [n, 3] */
  readonly palette?: readonly (readonly number[])[];
  /** [n] opacity of the palette's first colours */
  readonly opacity?: readonly number[];
}

const KINDS = {
  grey: { type: 0, samples: 1 },
  rgb: { type: 2, samples: 3 },
  palette: { type: 3, samples: 1 },
  greyAlpha: { type: 4, samples: 2 },
  rgba: { type: 6, samples: 4 },
} as const;

export function pngFile({ width, height, depth, kind, samples, palette, opacity }: PngPicture): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, KINDS[kind].type, 0, 0, 0], 8);
  const perRow = width * KINDS[kind].samples;
  const rows = Array.from({ length: height }, (_, y) => packed(samples.slice(y * perRow, (y + 1) * perRow), depth));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...(palette ? [chunk("PLTE", Buffer.from(palette.flat()))] : []),
    ...(opacity ? [chunk("tRNS", Buffer.from(opacity))] : []),
    chunk("IDAT", deflateSync(Buffer.concat(rows.flatMap((row) => [Buffer.of(0), row])))), // 0: no filter
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Samples from the highest bit on; a row ends with a whole byte. */
function packed(samples: readonly number[], depth: number): Buffer {
  const bits = samples.map((one) => one.toString(2).padStart(depth, "0")).join("");
  const bytes = bits.padEnd(8 * Math.ceil(bits.length / 8), "0").match(/.{8}/g)!;
  return Buffer.from(bytes.map((one) => Number.parseInt(one, 2)));
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const out = Buffer.alloc(8 + body.length);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), 4 + body.length);
  return out;
}
