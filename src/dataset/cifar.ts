import { UserError } from "../errors.ts";
import type { DatasetParts, ImageShape, Images } from "./dataset.ts";
import type { Layout } from "./layout.ts";
import { memoryPixels, sharedBytes } from "./pixels.ts";
import { readSource, type SourceFiles } from "./source-files.ts";

/**
 * The two binary layouts of CIFAR. A record is its label bytes and then 3 x 32 x 32 bytes of pixels: red, green, blue,
 * each row by row. A file may hold any whole number of records, at least one.
 *
 * @see Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009); https://www.cs.toronto.edu/~kriz/cifar.html
 */
interface CifarLayout {
  readonly name: "cifar10" | "cifar100";
  /** CIFAR-100 has two label bytes, coarse and then fine; the fine one, the last, is the label. */
  readonly labelBytes: number;
  readonly classCount: number;
  readonly namesFile: string;
  readonly testFile: string;
  readonly trainingFile: RegExp;
}

const CIFAR_10: CifarLayout = {
  name: "cifar10",
  labelBytes: 1,
  classCount: 10,
  namesFile: "batches.meta.txt",
  testFile: "test_batch.bin",
  trainingFile: /^data_batch_(\d+)\.bin$/,
};

const CIFAR_100: CifarLayout = {
  name: "cifar100",
  labelBytes: 2,
  classCount: 100,
  namesFile: "fine_label_names.txt",
  testFile: "test.bin",
  trainingFile: /^train\.bin$/,
};

const IMAGE_SHAPE: ImageShape = [3, 32, 32];
const PIXEL_BYTES = 3 * 32 * 32;

export const cifar10Layout: Layout = {
  expects: "data_batch_*.bin, test_batch.bin and batches.meta.txt (CIFAR-10, binary version)",
  isWanted: (name, testOnly) => isWanted(CIFAR_10, name, testOnly),
  read: (files, testOnly) => readCifar(CIFAR_10, files, testOnly),
};

export const cifar100Layout: Layout = {
  expects: "train.bin, test.bin and fine_label_names.txt (CIFAR-100, binary version)",
  isWanted: (name, testOnly) => isWanted(CIFAR_100, name, testOnly),
  read: (files, testOnly) => readCifar(CIFAR_100, files, testOnly),
};

function isWanted(layout: CifarLayout, name: string, testOnly: boolean): boolean {
  const file = baseName(name);
  return file === layout.testFile || file === layout.namesFile || (!testOnly && layout.trainingFile.test(file));
}

async function readCifar(layout: CifarLayout, files: SourceFiles, testOnly: boolean): Promise<DatasetParts> {
  const names = files.names.filter((name) => isWanted(layout, name, testOnly));
  const folder = onlyFolder(layout, files, names);
  for (const file of [layout.namesFile, layout.testFile]) {
    if (!names.includes(folder + file)) throw missingFile(layout, files, file);
  }
  const trainingNames = trainingOrder(layout, files, names);
  return {
    name: layout.name,
    imageShape: IMAGE_SHAPE,
    classes: readClassNames(layout, await readSource(files, folder + layout.namesFile)),
    training: trainingNames.length === 0 ? null : await readBatches(layout, files, trainingNames),
    validation: null,
    test: await readBatches(layout, files, [folder + layout.testFile]),
  };
}

/** Where the files lie: "" or "cifar-10-batches-bin/", for example. */
function onlyFolder(layout: CifarLayout, files: SourceFiles, names: readonly string[]): string {
  const folders = [...new Set(names.map((name) => name.slice(0, name.lastIndexOf("/") + 1)))];
  if (folders.length > 1) {
    const found = folders.map((folder) => folder || "./").join(" and ");
    throw new UserError(`${layout.name}: expected one dataset in ${files.path}, found ${found}; give the path of one`);
  }
  return folders[0] ?? "";
}

/** The training files in the order of their numbers, which must run from 1 without a gap. */
function trainingOrder(layout: CifarLayout, files: SourceFiles, names: readonly string[]): string[] {
  const number = (name: string) => Number(layout.trainingFile.exec(baseName(name))?.[1] ?? 1);
  const ordered = names.filter((name) => layout.trainingFile.test(baseName(name)));
  ordered.sort((a, b) => number(a) - number(b));
  for (const [i, name] of ordered.entries()) {
    if (number(name) !== i + 1) throw missingFile(layout, files, `data_batch_${i + 1}.bin`);
  }
  return ordered;
}

function missingFile(layout: CifarLayout, files: SourceFiles, file: string): UserError {
  const found = files.names.slice(0, 8).join(", ");
  return new UserError(
    `${layout.name}: expected ${file} in ${files.path}, found ${found}; copy the missing file or download the data again`,
  );
}

function readClassNames(layout: CifarLayout, bytes: Uint8Array): string[] {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  const names = lines.map((line) => line.trim()).filter((line) => line !== "");
  const distinct = new Set(names).size;
  if (names.length !== layout.classCount || distinct !== names.length) {
    const found = `${names.length} lines, ${distinct} of them different`;
    throw new UserError(
      `${layout.name}: ${layout.namesFile} expects ${layout.classCount} different class names, one per line, ` +
        `found ${found}; take the file from the original archive`,
    );
  }
  return names;
}

async function readBatches(layout: CifarLayout, files: SourceFiles, names: readonly string[]): Promise<Images> {
  const recordBytes = layout.labelBytes + PIXEL_BYTES;
  const batches: Uint8Array[] = [];
  for (const name of names) {
    const bytes = await readSource(files, name);
    checkLength(layout, name, bytes.length, recordBytes);
    batches.push(bytes);
  }
  const count = batches.reduce((sum, bytes) => sum + bytes.length / recordBytes, 0);
  const pixels = sharedBytes(count * PIXEL_BYTES);
  const labels = new Uint16Array(count);
  let position = 0;
  for (const [i, bytes] of batches.entries()) {
    for (let start = 0; start < bytes.length; start += recordBytes) {
      const pixelStart = start + layout.labelBytes;
      const label = bytes[pixelStart - 1]!;
      if (label >= layout.classCount) throw badLabel(layout, names[i]!, label, start / recordBytes);
      labels[position] = label;
      pixels.set(bytes.subarray(pixelStart, start + recordBytes), position * PIXEL_BYTES);
      position++;
    }
  }
  return { pixels: memoryPixels(pixels, PIXEL_BYTES), labels };
}

function checkLength(layout: CifarLayout, name: string, length: number, recordBytes: number): void {
  if (length > 0 && length % recordBytes === 0) return;
  throw new UserError(
    `${layout.name}: ${baseName(name)} has ${length} bytes, expected a multiple of ${recordBytes}; ` +
      `the file is ${length === 0 ? "empty" : "cut short"}, download it again`,
  );
}

function badLabel(layout: CifarLayout, name: string, label: number, record: number): UserError {
  return new UserError(
    `${layout.name}: ${baseName(name)} expects labels 0..${layout.classCount - 1}, found ${label} in record ${record}; ` +
      "the file is damaged or in another layout, download it again",
  );
}

function baseName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
