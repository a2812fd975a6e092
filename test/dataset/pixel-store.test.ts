import { cpSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cacheLimit, emptyCache, listCache, makeRoom, setCacheLimit } from "../../src/dataset/cache.ts";
import { wholeFile } from "../../src/dataset/file-place.ts";
import { openDataset } from "../../src/dataset/open.ts";
import { buildStore, readIndex } from "../../src/dataset/pixel-store.ts";
import { UserError } from "../../src/errors.ts";
import { thisProcess } from "../../src/files/owner.ts";
import { temporaryFolder } from "./cifar-files.ts";
import { plainPng, writePlain } from "./picture-files.ts";

async function photos(count = 12): Promise<string> {
  const folder = temporaryFolder();
  for (let i = 0; i < count; i++)
    for (const split of ["train", "val", "test"])
      await writePlain(
        folder,
        `${split}/${i % 2 ? "red" : "blue"}/${i}.png`,
        `#${i % 2 ? "ff00" : "00ff"}${(16 + i).toString(16)}`,
      );
  return folder;
}

/** Opens, and counts what was decoded. */
async function opened(folder: string, cacheFolder: string, more = {}) {
  let decoded = 0;
  const data = await openDataset(folder, { size: 8, cacheFolder, onPicture: () => decoded++, ...more });
  const { train, validation, test } = data;
  return { decoded, sha256: [train!.sha256, validation!.sha256, test.sha256].join() };
}

describe("pictures are decoded once", () => {
  test("a second run decodes nothing, nor does a copy elsewhere; another size or a changed picture is decoded", async () => {
    const [folder, cache, copy] = [await photos(), temporaryFolder(), temporaryFolder()];
    const first = await opened(folder, cache);
    expect(first.decoded).toBe(36);
    expect(await opened(folder, cache)).toEqual({ ...first, decoded: 0 });
    cpSync(folder, copy, { recursive: true });
    expect(await opened(copy, cache)).toEqual({ ...first, decoded: 0 });
    expect((await opened(folder, cache, { size: 4 })).decoded).toBe(36);
    const changed = join(folder, "train/red/1.png");
    const before = readFileSync(changed);
    writeFileSync(changed, await plainPng("#123456"));
    const other = await opened(folder, cache);
    expect([other.decoded, other.sha256 === first.sha256]).toEqual([36, false]);
    writeFileSync(changed, before);
    utimesSync(changed, 1, 1);
    expect(await opened(folder, cache)).toEqual({ ...first, decoded: 0 });
  });

  test("a run that was interrupted goes on, to the same result", async () => {
    const [folder, cache] = [await photos(40), temporaryFolder()];
    const whole = await opened(folder, temporaryFolder());
    const stop = new AbortController();
    let done = 0;
    const interrupted = openDataset(folder, {
      size: 8,
      cacheFolder: cache,
      signal: stop.signal,
      onPicture: () => {
        if (++done === 30) stop.abort(new Error("stopped here"));
      },
    });
    await expect(interrupted).rejects.toThrow("stopped here");
    expect((await listCache(cache)).map(({ source }) => source)).toEqual([null]);
    const rest = await opened(folder, cache);
    expect(rest.sha256).toBe(whole.sha256);
    expect(rest.decoded).toBeLessThanOrEqual(120 - 30);
    expect(rest.decoded).toBeGreaterThan(0);
  });

  test("two at once share the work", async () => {
    const [folder, cache] = [await photos(), temporaryFolder()];
    const [a, b] = await Promise.all([opened(folder, cache), opened(folder, cache)]);
    expect(a.decoded + b.decoded).toBe(36);
    expect(a.sha256).toBe(b.sha256);
  });
});

test("what could not be read for a moment is tried again; what is no picture is known as such", async () => {
  const [source, store] = [temporaryFolder(), join(temporaryFolder(), "store")];
  const paths = ["here.png", "late.png", "no.png"].map((name) => join(source, name));
  writeFileSync(paths[0]!, await plainPng("#ff0000"));
  writeFileSync(paths[2]!, "no picture");
  let asked: number[] = [];
  const build = () => {
    asked = [];
    const plan = { source, shape: [3, 4, 4] as const, classes: ["a"], names: paths, labels: [0, 0, 0], passedOver: 0 };
    return buildStore(
      store,
      { ...plan, splits: [null, null, null] },
      {
        from: (row) => {
          asked.push(row);
          return wholeFile(paths[row]!);
        },
        onProgress: () => {},
        onWait: () => {},
      },
    );
  };
  expect((await build()).broken.map(({ row }) => row)).toEqual([1, 2]);
  expect(await readIndex(store)).toBeNull();
  writeFileSync(paths[1]!, await plainPng("#00ff00"));
  expect((await build()).broken.map(({ row }) => row)).toEqual([2]);
  expect(asked).toEqual([1, 2]);
  expect((await build()).broken.map(({ row }) => row)).toEqual([2]);
  expect(asked).toEqual([]);
});

test("of many that cannot be read 20 are named and all are counted", async () => {
  const folder = await photos(4);
  for (let i = 0; i < 25; i++) writeFileSync(join(folder, `train/red/x${String(i).padStart(2, "0")}.jpg`), "no");
  const error: unknown = await openDataset(folder, { size: 8, cacheFolder: temporaryFolder() }).catch(
    (caught) => caught,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).toContain("found 25 of 37 that cannot: ");
  expect(message.match(/x\d\d\.jpg/g)).toHaveLength(20);
  expect(message).toContain(", and 5 more; ");
});

test("the cache has a limit, and gives up what was not used for longest", async () => {
  const cache = temporaryFolder();
  expect(await cacheLimit(cache)).toBe(50e9);
  await opened(await photos(), cache);
  const [one] = await listCache(cache);
  expect([one!.pictures, one!.shape, one!.inUse]).toEqual([36, "3x8x8", true]);
  await setCacheLimit(cache, 1000);
  await expect(makeRoom(cache, 1001, "")).rejects.toThrow("at most 0.0 GB");
  await makeRoom(cache, 1000, "");
  expect(await listCache(cache)).toHaveLength(1); // in use
  const marks = () => readdirSync(one!.folder).filter((file) => file.startsWith(".earlyexit-used-by-"));
  const ended = { ...thisProcess(), process: 99_999_999 };
  writeFileSync(join(one!.folder, ".earlyexit-used-by-99999999"), JSON.stringify(ended));
  expect(await emptyCache(cache)).toEqual([]);
  expect(marks()).toEqual([`.earlyexit-used-by-${process.pid}`]); // that of a process that has ended is gone
  rmSync(join(one!.folder, marks()[0]!));
  expect((await emptyCache(cache)).map(({ folder }) => folder)).toEqual([one!.folder]);
  expect(await listCache(cache)).toEqual([]);
});
