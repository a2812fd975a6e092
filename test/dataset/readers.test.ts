/** Readers of tables, Parquet and IDX, and what is told of data that cannot be read. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openDataset } from "../../src/dataset/open.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { UserError } from "../../src/errors.ts";
import { type Files, temporaryFolder, writeFiles } from "./cifar-files.ts";
import { parquetOf } from "./parquet-file.ts";
import { plainPng, writePlain } from "./picture-files.ts";

async function mistake(path: string, options = {}): Promise<string> {
  const error: unknown = await openDataset(path, { size: 4, ...options }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain("\n");
  return (error as Error).message;
}

describe("a folder with a table of labels", () => {
  async function folderWith(table: string): Promise<string> {
    const folder = temporaryFolder();
    for (let i = 0; i < 10; i++) {
      await writePlain(folder, `pictures/r${i}.png`, "#ff0000", 4, 4);
      await writePlain(folder, `pictures/b${i}.png`, "#0000ff", 4, 4);
    }
    writeFileSync(join(folder, "labels.csv"), table);
    return folder;
  }
  const rows = (write: (name: string, label: string, i: number) => string) =>
    Array.from({ length: 10 }, (_, i) => `${write(`r${i}`, "red", i)}\n${write(`b${i}`, "blue", i)}`).join("\n");

  test("names files with or without folder and ending, between commas or semicolons", async () => {
    const hashes = new Set<string>();
    for (const table of [
      `id,breed\n${rows((name, label) => `${name},${label}`)}\n`,
      `\ufefffile;label\r\n${rows((name, label) => `pictures/${name}.png;"${label}"`)}\r\n`,
      `n,image_id,class\n${rows((name, label, i) => `${i},${name}.png,${label}`)}`,
    ]) {
      const data = await openDataset(await folderWith(table), { size: 4, labels: "labels.csv" });
      expect([data.classes, data.train!.count, data.validation!.count, data.test.count]).toEqual([
        ["blue", "red"],
        16,
        2,
        2,
      ]);
      for (const [i, label] of data.train!.labels.entries())
        expect(data.train!.pixels.read(i, i + 1)[0]).toBe(label === 1 ? 255 : 0);
      hashes.add(data.train!.sha256);
    }
    expect(hashes.size).toBe(1);
  });

  test("may say the split", async () => {
    const table = `file,label,split\n${rows((name, label, i) => `${name}.png,${label},${["train", "val", "test"][i % 3]}`)}`;
    const data = await openDataset(await folderWith(table), { size: 4, labels: "labels.csv" });
    expect([data.train!.count, data.validation!.count, data.test.count]).toEqual([8, 6, 6]);
  });

  test("another table is other data", async () => {
    const folder = await folderWith(`file,label\n${rows((name, label) => `${name},${label}`)}`);
    const before = await openDataset(folder, { size: 4, labels: "labels.csv" });
    writeFileSync(join(folder, "labels.csv"), `file,label\n${rows((name, label) => `${name},un${label}`)}`);
    const after = await openDataset(folder, { size: 4, labels: "labels.csv" });
    expect([before.classes, after.classes]).toEqual([
      ["blue", "red"],
      ["unblue", "unred"],
    ]);
  });

  test("or is refused, with what is wrong", async () => {
    const at = { labels: "labels.csv" };
    expect(await mistake(await folderWith("file,label\nr0,red\nnone,blue\n"), at)).toContain("found none for 1: none;");
    expect(await mistake(await folderWith("a,b\n1,2\n"), at)).toContain("none of which names a file");
    expect(await mistake(await folderWith("file,x,y2\nr0,1,2\n"), at)).toContain(
      "a column called label or class expected",
    );
    expect(await mistake(await folderWith("file,label\nr0,red\nr0,blue\n"), at)).toContain("found red and blue");
    expect(await mistake(await folderWith(""), at)).toContain("a header and at least one row expected");
    expect(await mistake(await folderWith("file,label\nr0,red\n"), { labels: "no.csv" })).toContain("at no.csv");
  });
});

describe("Parquet as on the hub", () => {
  const features = {
    img: { _type: "Image" },
    label: { _type: "ClassLabel", names: ["blue", "red"] },
  };

  test("pictures, classes by their names, splits by the files' names", async () => {
    const folder = temporaryFolder();
    const pngs = [await plainPng("#0000ff", 4, 4), await plainPng("#ff0000", 4, 4)];
    const part = (count: number) =>
      parquetOf(
        Array.from({ length: count }, (_, i) => ({ image: pngs[i % 2]!, label: i % 2 })),
        "img",
        features,
      );
    writeFiles(folder, {
      "data/train-00000-of-00002.parquet": part(6),
      "data/train-00001-of-00002.parquet": part(4),
      "data/test-00000-of-00001.parquet": part(3),
      "README.md": "about",
    });
    const data = await openDataset(folder, { size: 4, validationFraction: 0.2 });
    expect([data.classes, data.train!.count, data.validation!.count]).toEqual([["blue", "red"], 8, 2]);
    expect([...data.test.labels]).toEqual([0, 1, 0]);
    expect([...allPixels(data.test.pixels)].filter((_, i) => i % 48 === 0)).toEqual([0, 255, 0]);
    const one = await openDataset(join(folder, "data/train-00000-of-00002.parquet"), {
      size: 4,
      validationFraction: 0.2,
    });
    expect(one.train!.count + one.validation!.count + one.test.count).toBe(6);
  });

  test("or is refused, with what is wrong", async () => {
    const broken = writeFiles(temporaryFolder(), { "train.parquet": "PAR1 and nothing else PAR1" });
    expect(await mistake(broken)).toContain("parquet: a whole Parquet file expected in train.parquet");
    const other = parquetOf([{ image: Buffer.from("x"), label: 0 }], "bytes", {});
    expect(await mistake(writeFiles(temporaryFolder(), { "train.parquet": other }))).toContain(
      "a column of pictures expected in train.parquet, found bytes, label",
    );
  });
});

describe("IDX, the MNIST family", () => {
  const images = (count: number, value: (i: number) => number, side = 3): Buffer => {
    const header = Buffer.from([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, side, 0, 0, 0, side]);
    return Buffer.concat([header, ...Array.from({ length: count }, (_, i) => Buffer.alloc(side * side, value(i)))]);
  };
  const labels = (values: number[]): Buffer => Buffer.from([0, 0, 8, 1, 0, 0, 0, values.length, ...values]);
  const twenty = Array.from({ length: 20 }, (_, i) => i % 4);
  const files = (): Files => ({
    "train-images-idx3-ubyte": images(20, (i) => i % 4),
    "train-labels-idx1-ubyte": labels(twenty),
    "t10k-images-idx3-ubyte": images(3, (i) => i),
    "t10k-labels-idx1-ubyte": labels([0, 1, 2]),
  });

  test("with and without .gz: the same images of one channel", async () => {
    const plain = await openDataset(writeFiles(temporaryFolder(), files()));
    expect([plain.imageShape, plain.classes]).toEqual([
      [1, 3, 3],
      ["0", "1", "2", "3"],
    ]);
    expect([plain.train!.count, plain.validation!.count, [...plain.test.labels]]).toEqual([18, 2, [0, 1, 2]]);
    for (const [i, label] of plain.train!.labels.entries()) expect(plain.train!.pixels.read(i, i + 1)[8]).toBe(label);
    const packed = Object.fromEntries(Object.entries(files()).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]));
    expect((await openDataset(writeFiles(temporaryFolder(), packed))).train!.sha256).toBe(plain.train!.sha256);
  });

  test("of another size where one is asked for", async () => {
    const data = await openDataset(writeFiles(temporaryFolder(), files()), { size: 6 });
    expect([data.imageShape, data.test.pixels.imageBytes]).toEqual([[1, 6, 6], 36]);
    expect([...data.test.pixels.read(2, 3)]).toEqual(Array(36).fill(2));
    const colour = await openDataset(writeFiles(temporaryFolder(), files()), { size: [3, 3, 3] });
    expect([...colour.test.pixels.read(1, 2)]).toEqual(Array(27).fill(1));
  });

  test("or is refused, with what is wrong", async () => {
    const changed = (change: Files) => writeFiles(temporaryFolder(), { ...files(), ...change });
    expect(await mistake(changed({ "t10k-images-idx3-ubyte": images(3, () => 1).subarray(0, 30) }))).toContain(
      "43 bytes (3x3x3) expected in t10k-images-idx3-ubyte, found 30 bytes",
    );
    expect(await mistake(changed({ "t10k-labels-idx1-ubyte": labels([1]) }))).toContain("3 labels expected for test");
    expect(await mistake(changed({ "t10k-labels-idx1-ubyte": "<html>" }))).toContain("of something else");
    expect(await mistake(changed({ "copy/t10k-labels-idx1-ubyte": labels([1, 2, 3]) }))).toContain(" and ");
  });
});

test("what is recognised but cannot be read is told, with the form that can", async () => {
  const told = (files: Files) => mistake(writeFiles(temporaryFolder(), files));
  expect(await told({ "cifar-10-batches-py/data_batch_1": "x", "cifar-10-batches-py/batches.meta": "x" })).toContain(
    "found CIFAR-10 in its Python version",
  );
  expect(await told({ "data_batch_1.mat": "x" })).toContain("MATLAB version");
  expect(await told({ "cifar-100-python/train": "x", "cifar-100-python/meta": "x" })).toContain(
    "CIFAR-100 in its Python",
  );
  expect(await told({ "train.csv": "label,p0\n1,0" })).toMatch(/a table without pictures .*--labels/);
  expect(await told({ "mnist.npz": "x" })).toContain("arrays of Python");
  expect(await told({ "all.rar": "x" })).toContain("an archive of another kind");
});
