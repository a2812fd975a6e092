import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { UserError } from "../errors.ts";
import type { DatasetParts, Images } from "./dataset.ts";
import { FILE_LIMIT } from "./file-place.ts";
import type { Layout } from "./layout.ts";
import { memoryPixels } from "./pixels.ts";
import { readSource, type SourceFiles } from "./source-files.ts";

/**
 * The MNIST family: images [N, H, W] of bytes and labels [N] in IDX files, compressed or not. A file is two zeros, the type of its
 * numbers (8: bytes), how many axes, their lengths as 32-bit big-endian numbers, and the numbers.
 *
 * @see LeCun, Cortes and Burges, "The MNIST database of handwritten digits", http://yann.lecun.com/exdb/mnist/
 */
export const idxLayout: Layout = {
  expects:
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (IDX, with or without .gz)",
  isWanted: (name, testOnly) => {
    const kind = kindOf(name);
    return kind !== null && !(testOnly && kind.part === "train");
  },
  read: readIdx,
};

const NAME = /^(.*?)(train|t10k|test)[-_.](images|labels)[-.]idx[13][-.]ubyte(\.gz)?$/i;
const BYTES = 8;

interface Kind {
  readonly part: "train" | "test";
  readonly holds: "images" | "labels";
}

function kindOf(name: string): Kind | null {
  const found = NAME.exec(name.slice(name.lastIndexOf("/") + 1));
  if (!found) return null;
  return {
    part: found[2]!.toLowerCase() === "train" ? "train" : "test",
    holds: found[3]!.toLowerCase() as Kind["holds"],
  };
}

async function readIdx(files: SourceFiles, testOnly: boolean): Promise<DatasetParts> {
  const test = await readPart(files, "test");
  const training = testOnly || !hasPart(files, "train") ? null : await readPart(files, "train");
  if (training && training.shape.join() !== test.shape.join())
    throw new UserError(
      `idx: test images of ${training.shape.join("x")} expected, as those to train, found ${test.shape.join("x")}; give files of one set`,
    );
  const largest = [training, test].reduce(
    (most, part) => part?.labels.reduce((a, b) => Math.max(a, b), most) ?? most,
    0,
  );
  return {
    name: "idx",
    imageShape: [1, test.shape[0]!, test.shape[1]!],
    classes: Array.from({ length: largest + 1 }, (_, k) => String(k)),
    training,
    validation: null,
    test,
  };
}

function hasPart(files: SourceFiles, part: Kind["part"]): boolean {
  return files.names.some((name) => kindOf(name)?.part === part);
}

async function readPart(files: SourceFiles, part: Kind["part"]): Promise<Images & { shape: readonly number[] }> {
  const images = await readNumbers(files, part, "images", 3);
  const labels = await readNumbers(files, part, "labels", 1);
  const [count, height, width] = images.sizes;
  if (count !== labels.sizes[0])
    throw new UserError(
      `idx: ${count} labels expected for ${part}, one an image, found ${labels.sizes[0]}; give files of one set`,
    );
  const pixels = memoryPixels(images.bytes, height! * width!);
  return { pixels, labels: Uint16Array.from(labels.bytes), shape: [height!, width!] };
}

async function readNumbers(files: SourceFiles, part: Kind["part"], holds: Kind["holds"], axes: number) {
  const names = files.names.filter((name) => {
    const kind = kindOf(name);
    return kind?.part === part && kind.holds === holds;
  });
  if (names.length !== 1) {
    const found = names.length === 0 ? files.names.slice(0, 8).join(", ") : names.join(" and ");
    throw new UserError(
      `idx: one file of ${part} ${holds} expected in ${files.path}, found ${found}; give the folder of one set`,
    );
  }
  const [name] = names;
  const bytes = await unpacked(await readSource(files, name!), name!);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isIdx = bytes.length >= 4 + 4 * axes && view.getUint16(0) === 0 && bytes[2] === BYTES && bytes[3] === axes;
  const sizes = isIdx ? Array.from({ length: axes }, (_, i) => view.getUint32(4 + 4 * i)) : [];
  const expected = 4 + 4 * axes + sizes.reduce((product, size) => product * size, 1);
  if (!isIdx || expected !== bytes.length || sizes.includes(0))
    throw new UserError(
      `idx: ${isIdx ? `${expected} bytes (${sizes.join("x")})` : `an IDX file of bytes with ${axes} axes`} expected in ${name}, found ${bytes.length} bytes${isIdx ? "" : " of something else"}; download it again`,
    );
  return { sizes, bytes: bytes.subarray(4 + 4 * axes) };
}

async function unpacked(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  if (!(bytes[0] === 0x1f && bytes[1] === 0x8b)) return bytes;
  return promisify(gunzip)(bytes, { maxOutputLength: FILE_LIMIT }).catch((cause: Error) => {
    throw new UserError(`idx: a whole .gz expected in ${name}, found it broken (${cause.message}); download it again`, {
      cause,
    });
  });
}
