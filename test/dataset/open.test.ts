import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "tar";
import { describe, expect, test } from "vitest";
import { openDataset } from "../../src/dataset/open.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { UserError } from "../../src/errors.ts";
import {
  cifar10Files,
  cifar100Files,
  classNames,
  type Files,
  records,
  temporaryFolder,
  writeFiles,
} from "./cifar-files.ts";

/** Writes the files and packs them, without the folder itself. */
async function archive(files: Files, gzip = true): Promise<string> {
  const folder = temporaryFolder();
  const packed = writeFiles(join(folder, "content"), files);
  const path = join(folder, "data.tar.gz");
  await create({ file: path, cwd: packed, gzip }, ["."]);
  return path;
}

function folderOf(files: Files): string {
  return writeFiles(temporaryFolder(), files);
}

/** The message, if it is one line of a `UserError`. */
async function mistake(path: string): Promise<string> {
  const error: unknown = await openDataset(path).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).not.toContain("\n");
  return message;
}

function inFolder(folder: string, files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));
}

describe("CIFAR-10", () => {
  test("images, labels and classes arrive as they were written; the splits share no image and have the right sizes", async () => {
    const data = await openDataset(folderOf(cifar10Files()), { validationFraction: 0.2 });
    expect([data.name, data.imageShape, data.classes]).toEqual(["cifar10", [3, 32, 32], classNames]);
    expect([...data.test.labels]).toEqual([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]);
    const expected = records([...data.test.labels]).filter((_, i) => i % 3073 !== 0);
    expect(Buffer.compare(allPixels(data.test.pixels), expected)).toBe(0);
    expect([data.train?.count, data.validation?.count]).toEqual([80, 20]);
    for (let k = 0; k < 10; k++) expect(data.validation?.labels.filter((label) => label === k).length).toBe(2);
    for (const split of [data.train!, data.validation!]) {
      for (const [i, label] of split.labels.entries()) expect(allPixels(split.pixels)[i * 3072]).toBe(label);
    }
  });

  test("a folder, its official subfolder and archives with and without it hold the same data", async () => {
    const files = cifar10Files();
    const sub = inFolder("cifar-10-batches-bin", files);
    const paths = [folderOf(files), folderOf(sub), await archive(files), await archive(sub), await archive(sub, false)];
    const hashes = new Set<string>();
    for (const path of paths) {
      const { train, validation, test } = await openDataset(path);
      hashes.add([train?.sha256, validation?.sha256, test.sha256].join());
    }
    expect(hashes.size).toBe(1);
  });

  test("the seed decides what is validation, never what is test", async () => {
    const path = folderOf(cifar10Files());
    const [a, b, c] = [
      await openDataset(path),
      await openDataset(path, { seed: 1 }),
      await openDataset(path, { seed: 2 }),
    ];
    expect(a.train?.sha256).toBe(b.train?.sha256);
    expect(c.test.sha256).toBe(a.test.sha256);
    expect(c.train?.sha256).not.toBe(a.train?.sha256);
  });

  test("batches are read in the order of their numbers: 10 comes after 9", async () => {
    const { "batches.meta.txt": meta, "test_batch.bin": test } = cifar10Files();
    const files: Files = { "batches.meta.txt": meta!, "test_batch.bin": test! };
    const longer: Files = { ...files };
    for (let batch = 1; batch <= 10; batch++) longer[`data_batch_${batch}.bin`] = records([batch - 1, batch - 1]);
    const inOne = {
      ...files,
      "data_batch_1.bin": records([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]),
    };
    const [a, b] = [await openDataset(folderOf(longer)), await openDataset(folderOf(inOne))];
    expect(a.train?.sha256).toBe(b.train?.sha256);
  });

  test("a test part alone is enough; of a whole set it can be read alone", async () => {
    const { "batches.meta.txt": meta, "test_batch.bin": test } = cifar10Files();
    const alone = await openDataset(folderOf({ "batches.meta.txt": meta!, "test_batch.bin": test! }));
    expect([alone.train, alone.validation, alone.test.count]).toEqual([null, null, 10]);
    const damaged = { ...cifar10Files(), "data_batch_2.bin": "not read" };
    for (const path of [folderOf(damaged), await archive(damaged)]) {
      const { train, validation, test } = await openDataset(path, { testOnly: true });
      expect([train, validation, test.sha256]).toEqual([null, null, alone.test.sha256]);
    }
  });

  test("a folder with nothing but an archive and a text about it is that archive; beside a second one it is refused", async () => {
    const packed = await archive(cifar10Files());
    const folder = folderOf({ "README.md": Buffer.from("where it is from"), "cifar.tar.gz": readFileSync(packed) });
    const [lone, itself] = [await openDataset(folder), await openDataset(packed)];
    expect(lone.test.sha256).toBe(itself.test.sha256);
    writeFileSync(join(folder, "second.tar.gz"), readFileSync(packed));
    expect(await mistake(folder)).toContain("an archive inside");
  });
});

describe("CIFAR-100", () => {
  test("the fine label is the label", async () => {
    const data = await openDataset(folderOf(inFolder("cifar-100-binary", cifar100Files())), {
      validationFraction: 0.5,
    });
    expect(data.name).toBe("cifar100");
    expect(data.classes.length).toBe(100);
    expect(data.classes[57]).toBe("fine57");
    expect([...data.test.labels]).toEqual([99, 0, 57]);
    expect(allPixels(data.test.pixels)[2 * 3072]).toBe(57);
    expect([...data.validation!.labels]).toEqual([...new Set(data.validation!.labels)]);
    expect((await openDataset(await archive(cifar100Files()))).test.sha256).toBe(data.test.sha256);
  });
});

describe("what the user is told", () => {
  const changed = (change: Files) => folderOf({ ...cifar10Files(), ...change });
  const without = (name: string) => {
    const { [name]: _, ...rest } = cifar10Files();
    return folderOf(rest);
  };

  test("of a file that is cut short, empty or damaged", async () => {
    expect(await mistake(changed({ "data_batch_3.bin": records([1, 2, 3]).subarray(0, 9000) }))).toBe(
      "cifar10: data_batch_3.bin has 9000 bytes, expected a multiple of 3073; the file is cut short, download it again",
    );
    expect(await mistake(changed({ "test_batch.bin": "" }))).toContain("test_batch.bin has 0 bytes");
    expect(await mistake(changed({ "data_batch_5.bin": records([1, 10]) }))).toContain(
      "data_batch_5.bin expects labels 0..9, found 10 in record 1",
    );
  });

  test("of a file that is missing", async () => {
    expect(await mistake(without("test_batch.bin"))).toMatch(
      /cifar10: expected test_batch.bin in .*, found batches.meta/,
    );
    expect(await mistake(without("batches.meta.txt"))).toContain("expected batches.meta.txt");
    expect(await mistake(without("data_batch_2.bin"))).toContain("expected data_batch_2.bin");
  });

  test("of wrong class names", async () => {
    const expected = "batches.meta.txt expects 10 different class names, one per line, found ";
    expect(await mistake(changed({ "batches.meta.txt": "cat\ndog\n" }))).toContain(`${expected}2 lines`);
    const repeated = `${"plane\n".repeat(2)}${classNames.slice(2).join("\n")}`;
    expect(await mistake(changed({ "batches.meta.txt": repeated }))).toContain("10 lines, 9 of them different");
  });

  test("of a path with nothing, or nothing known, or too much", async () => {
    expect(await mistake("no/such/folder")).toContain(
      "expected a folder, .zip, .tar or .tar.gz at no/such/folder, found nothing",
    );
    expect(await mistake(join(folderOf({ "a.jpg": "x" }), "a.jpg"))).toContain("found the file");
    const unknown = await mistake(folderOf({ "notes.txt": "x", "pictures/a.csv": "x" }));
    expect(unknown).toContain("CIFAR-10, binary version");
    expect(unknown).toContain("CIFAR-100, binary version");
    expect(unknown).toContain("found a table without pictures (notes.txt, pictures/a.csv)");
    expect(await mistake(temporaryFolder())).toContain("found nothing");
    expect(await mistake(folderOf({ ...cifar10Files(), ...cifar100Files() }))).toContain("found files of both");
    const twice = { ...cifar10Files(), ...inFolder("copy", cifar10Files()) };
    expect(await mistake(folderOf(twice))).toContain("found ./ and copy/");
  });

  test("of an archive that is broken: cut short, overwritten in the middle, or something else", async () => {
    const path = await archive(cifar10Files());
    const whole = readFileSync(path);
    const overwritten = Buffer.from(whole);
    overwritten.fill(0x55, whole.length >> 1, (whole.length >> 1) + 64);
    for (const bytes of [
      whole.subarray(0, whole.length >> 1),
      overwritten,
      Buffer.from("<html>not found</html>"),
      "",
    ]) {
      writeFileSync(path, bytes);
      expect(await mistake(path)).toMatch(/data: expected a whole \.tar\.gz, found .* broken \(.+\); download or copy/);
    }
  });

  test("of a validation share that leaves nothing", async () => {
    const files = { ...cifar100Files(), "train.bin": records([1, 2], 0) };
    expect(await mistake(folderOf(files))).toContain("found 2 and 0 with a validation share of 0.1");
    await expect(openDataset(folderOf(files), { validationFraction: 1 })).rejects.toThrow(RangeError);
  });
});

const realArchive = "../shared/data/cifar-10-jpeg75/cifar-10-binary.tar.gz";
const isThere = existsSync(realArchive);
test.skipIf(!isThere)(
  `the whole CIFAR-10${isThere ? "" : ` (skipped: there is no ${realArchive})`}`,
  async () => {
    const { train, validation, test, classes } = await openDataset(realArchive);
    expect(classes).toEqual(classNames);
    expect([train?.count, validation?.count, test.count]).toEqual([45000, 5000, 5000]);
    for (let k = 0; k < 10; k++) expect(validation!.labels.filter((label) => label === k).length).toBe(500);
  },
  60_000,
);
