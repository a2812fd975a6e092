/** What a file is, by its first bytes: a name may say anything, or nothing. */

/** Formats that can be read, by the names that `sharp` gives them. */
export type ImageFormat = "jpeg" | "png" | "webp" | "avif" | "gif" | "tiff";

/** What is left of a file's start decides; so many bytes are enough. */
export const FORMAT_BYTES = 64;

/** Pictures that cannot be read here, and what to do about them. */
const CURES: Readonly<Record<string, string>> = {
  heic: "a HEIC picture, which needs a licensed decoder; convert it to JPEG (macOS: sips -s format jpeg; Linux: heif-convert)",
  bmp: "a BMP picture; convert it to PNG",
  svg: "an SVG drawing, which has no pixels; export it as PNG",
  jxl: "a JPEG XL picture; convert it to JPEG or PNG",
  jp2: "a JPEG 2000 picture; convert it to JPEG or PNG",
  pdf: "a PDF document; export its pages as PNG",
};

/** Picture files by their names; those without one of these are looked into. */
const EXTENSION = /\.(jpe?g|jpe|jfif|png|webp|avif|gif|tiff?|hei[cf]|bmp|svg|jxl|jp2)$/i;

/** A name that ends as pictures' names do. */
export function hasPictureName(name: string): boolean {
  return EXTENSION.test(name);
}

/** @returns the kind of picture that begins with these bytes, readable here or not; null if it is none that is known */
export function sniffPicture(bytes: Uint8Array): string | null {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  const head = text(0, 12);
  if (head.startsWith("\xff\xd8\xff")) return "jpeg";
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (head.startsWith("RIFF") && head.endsWith("WEBP")) return "webp";
  if (/^GIF8[79]a/.test(head)) return "gif";
  if (/^(II[*+]\0|MM\0[*+])/.test(head)) return "tiff";
  if (head.slice(4, 8) === "ftyp") return isoBrand(text(8, FORMAT_BYTES));
  if (head.startsWith("\xff\x0a") || head.startsWith("\0\0\0\x0cJXL ")) return "jxl";
  if (head.startsWith("\0\0\0\x0cjP  ")) return "jp2";
  if (head.startsWith("BM") && bytes.length > 26) return "bmp";
  if (head.startsWith("%PDF-")) return "pdf";
  return /^(\xef\xbb\xbf)?\s*<(svg|\?xml)/i.test(text(0, FORMAT_BYTES)) ? "svg" : null;
}

/** AVIF and HEIC are one container; its brands say what is inside. */
function isoBrand(brands: string): string | null {
  if (/avi[fs]/.test(brands)) return "avif";
  return /hei[cxms]|hev[cx]|mif1|msf1/.test(brands) ? "heic" : null;
}

/** @throws {Error} saying in a few words what was found in place of a picture that can be read */
export function readableFormat(bytes: Uint8Array): ImageFormat {
  const format = sniffPicture(bytes);
  if (bytes.length === 0) throw new Error("an empty file");
  if (format === null) throw new Error("no picture that is known");
  if (CURES[format]) throw new Error(CURES[format]);
  return format as ImageFormat;
}
