import { cpSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cacheLimit, emptyCache, listCache, makeRoom, setCacheLimit } from "../../src/dataset/cache.ts";
import { openDataset } from "../../src/dataset/open.ts";
import { UserError } from "../../src/errors.ts";
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
  for (const name of readdirSync(one!.folder).filter((file) => file.startsWith("used-by")))
    cpSync(join(one!.folder, name), join(one!.folder, "used-by-99999999"));
  expect(await emptyCache(cache)).toEqual([]);
});
