/**
 * Small JPEG files, decoded by libjpeg alone. libvips, which reads all other pictures, takes half a millisecond to set up for each, which
 * is twenty times what a picture of 32x32 pixels takes here. Both are the same decoder (libjpeg-turbo; here MozJPEG's form of it) with the
 * same exact inverse transform and the same smooth chroma, so that both give the same bytes. (Of damaged data that both take for a
 * picture, they make different ones.)
 */
import { createRequire } from "node:module";
import createDecoder from "@jsquash/jpeg/codec/dec/mozjpeg_dec.js";
import { readFile } from "../files/reader.ts";
import type { ImageDataLike } from "./scale.ts";

/** So many pixels are decoded sooner here, on the thread that asks, than handed to libvips' own. */
const SMALL = 128 * 128;

type Decoder = Awaited<ReturnType<typeof createDecoder>>;
let decoder: Promise<Decoder> | null = null;

/**
 * @returns null where libvips is to read the file and to say what is wrong: it is no small and plain JPEG, or does not decode
 */
export async function decodeSmallJpeg(bytes: Uint8Array): Promise<ImageDataLike | null> {
  const size = plainJpegSize(bytes);
  if (!size || size.width * size.height > SMALL) return null;
  decoder ??= createDecoderHere();
  const { decode } = await decoder;
  try {
    const found = withImageData(() => decode(bytes, false));
    return found?.width === size.width && found.height === size.height ? found : null;
  } catch {
    decoder = null; // C code that left in the middle: its memory is not to be used again
    return null;
  }
}

async function createDecoderHere(): Promise<Decoder> {
  const wasm = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm");
  const wasmBinary = Uint8Array.from(await readFile(wasm)).buffer;
  return withImageData(() => createDecoder({ noInitialRun: true, print() {}, printErr() {}, wasmBinary }));
}

/** The decoder makes one of these, which Node does not have: it is there as long as `use` runs, and nobody else sees it. */
function withImageData<T>(use: () => T): T {
  const before = Object.getOwnPropertyDescriptor(globalThis, "ImageData");
  function Pixels(data: Uint8ClampedArray, width: number, height: number): ImageDataLike {
    return { data, width, height };
  }
  Object.defineProperty(globalThis, "ImageData", { value: Pixels, configurable: true, writable: true });
  try {
    return use();
  } finally {
    if (before) Object.defineProperty(globalThis, "ImageData", before);
    else Reflect.deleteProperty(globalThis, "ImageData");
  }
}

const [SOI, EOI, SOS, APP0, COMMENT] = [0xffd8, 0xffd9, 0xffda, 0xffe0, 0xfffe];
/** Quantisation tables, Huffman tables, restart intervals. */
const TABLES = [0xffdb, 0xffc4, 0xffdd];
/** Frames that are baseline, extended or progressive, with Huffman codes. */
const FRAMES = [0xffc0, 0xffc1, 0xffc2];

/**
 * The size of a JPEG (ITU-T T.81, annex B) that holds nothing which another reader may see differently: 8 bits, grey or three colours, no
 * colour profile, no EXIF, and an end.
 */
function plainJpegSize(bytes: Uint8Array): { width: number; height: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length - 2;
  if (end < 4 || view.getUint16(0) !== SOI || view.getUint16(end) !== EOI) return null;
  let size: { width: number; height: number } | null = null;
  for (let at = 2; at + 10 <= end; ) {
    const marker = view.getUint16(at);
    if (marker === SOS) return size;
    if (FRAMES.includes(marker)) {
      const [bits, height, width, components] = [
        bytes[at + 4],
        view.getUint16(at + 5),
        view.getUint16(at + 7),
        bytes[at + 9],
      ];
      if (size || bits !== 8 || width * height === 0 || (components !== 1 && components !== 3)) return null;
      size = { width, height };
    } else if (marker !== APP0 && marker !== COMMENT && !TABLES.includes(marker)) return null;
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}
