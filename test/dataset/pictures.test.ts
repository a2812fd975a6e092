import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { create } from "tar";
import { describe, expect, test } from "vitest";
import { openDataset } from "../../src/dataset/open.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "./cifar-files.ts";
import { writePlain } from "./picture-files.ts";
import { zipOf } from "./zip-file.ts";

/** Two colours a class, in two splits. */
async function photos(): Promise<string> {
  const folder = temporaryFolder();
  await writePlain(folder, "train/red/a b#1%20.JPG.png", "#ff0000", 9, 16);
  await writePlain(folder, "train/red/\u00e9.png", "#fe0000", 30, 20);
  await writePlain(folder, "train/blue/deep/er/1.webp", "#0000ff", 12, 12);
  await writePlain(folder, "val/blue/2.png", "#0000fe");
  await writePlain(folder, "test/red/3.png", "#fd0000");
  for (const name of [".DS_Store", "train/Thumbs.db", "train/red/.hidden.png", "LICENSE"])
    writeFileSync(join(folder, name), "x");
  return folder;
}

const firstBytes = (pixels: Uint8Array, count: number) =>
  Array.from({ length: count }, (_, i) => pixels[(i * pixels.length) / count]!);

describe("a folder of pictures", () => {
  test("becomes images of one size, with the classes and splits that its folders say", async () => {
    const data = await openDataset(await photos(), { size: 8 });
    expect([data.imageShape, data.classes]).toEqual([
      [3, 8, 8],
      ["blue", "red"],
    ]);
    expect([...data.train!.labels]).toEqual([0, 1, 1]);
    expect(firstBytes(allPixels(data.train!.pixels), 3)[1]).toBe(255);
    expect(new Set(allPixels(data.test.pixels).subarray(0, 64))).toEqual(new Set([0xfd]));
    expect(new Set(allPixels(data.validation!.pixels).subarray(128))).toEqual(new Set([0xfe]));
    expect(data.test.labels[0]).toBe(1);
  });

  test("and its archive hold the same", async () => {
    const folder = await photos();
    const path = join(temporaryFolder(), "photos.tar.gz");
    await create({ file: path, cwd: folder, gzip: true }, ["."]);
    const [a, b] = [await openDataset(folder, { size: 8 }), await openDataset(path, { size: 8 })];
    for (const split of ["train", "validation", "test"] as const) expect(b[split]!.sha256).toBe(a[split]!.sha256);
    expect(b.name).toBe("photos");
  });

  test("and its zip, stored or deflated", async () => {
    const folder = await photos();
    const names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
    const path = join(temporaryFolder(), "photos.zip");
    const entry = (name: string, i: number) => ({
      name,
      content: readFileSync(join(folder, name)),
      deflate: i % 2 === 0,
    });
    writeFileSync(
      path,
      zipOf([...names.map(entry), { name: "__MACOSX/train/red/._x.png", content: Buffer.from("x") }]),
    );
    const [a, b] = [await openDataset(folder, { size: 8 }), await openDataset(path, { size: 8 })];
    for (const split of ["train", "validation", "test"] as const) expect(b[split]!.sha256).toBe(a[split]!.sha256);
  });

  test("without splits gives some pictures of each class to validation and test, by a seed", async () => {
    const folder = temporaryFolder();
    for (let i = 0; i < 20; i++)
      for (const [name, colour] of [
        ["red", "#ff0000"],
        ["blue", "#0000ff"],
      ] as const)
        await writePlain(folder, `${name}/${i}.png`, colour, 4, 4);
    const data = await openDataset(folder, { size: 4 });
    expect([data.train!.count, data.validation!.count, data.test.count]).toEqual([32, 4, 4]);
    expect([...data.test.labels]).toEqual([0, 0, 1, 1]);
    const alone = await openDataset(folder, { size: 4, testOnly: true });
    expect([alone.test.sha256, alone.test.count]).toEqual([data.test.sha256, 4]);
  });

  test("a test part may lack classes that are known", async () => {
    const folder = temporaryFolder();
    await writePlain(folder, "test/red/1.png", "#ff0000");
    const known = await openDataset(folder, { size: 8, testOnly: true, classes: ["blue", "green", "red"] });
    expect([known.classes, [...known.test.labels], known.train]).toEqual([["blue", "green", "red"], [2], null]);
  });
});

describe("what cannot be read", () => {
  async function broken(): Promise<string> {
    const folder = await photos();
    writeFileSync(join(folder, "train/red/x.jpg"), "no picture");
    writeFileSync(join(folder, "train/blue/empty.png"), "");
    return folder;
  }

  test("is told all at once, with the reason", async () => {
    const error: unknown = await openDataset(await broken(), { size: 8 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(
      "found 2 of 7 that cannot: train/blue/empty.png (an empty file), train/red/x.jpg (no picture that is known); ",
    );
  });

  test("or left out where the user says so", async () => {
    const data = await openDataset(await broken(), { size: 8, skipBroken: true });
    expect([...data.train!.labels]).toEqual([0, 1, 1]);
  });
});

const CLOTHING = "../shared/data/clothing/clothing.tar.gz";
const isThere = existsSync(CLOTHING);
test.skipIf(!isThere)(`real photographs${isThere ? "" : ` (skipped: there is no ${CLOTHING})`}`, async () => {
  const data = await openDataset(CLOTHING, { size: 16 });
  expect([data.train!.count, data.validation!.count, data.test.count]).toEqual([3068, 341, 187]);
  expect([data.classes.length, data.classes[9]]).toEqual([10, "t-shirt"]);
  expect(data.train!.labels.filter((label) => label === 9).length).toBe(795);
});
