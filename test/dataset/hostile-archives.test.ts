/** Archives and pictures that were made to harm: nothing is written outside of the cache, nothing takes all memory or all time. */
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { crc32, createGzip, deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { readImage } from "../../src/dataset/image-file.ts";
import { openDataset } from "../../src/dataset/open.ts";
import { UserError } from "../../src/errors.ts";
import { plainPng } from "./picture-files.ts";
import { type ZipEntry, zipOf } from "./zip-file.ts";

const IS_LONG = process.env.EARLYEXIT_LONG !== undefined;
const base = mkdtempSync(join(tmpdir(), "earlyexit-hostile-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const [red, blue] = [await plainPng("#ff0000"), await plainPng("#0000ff")];

/** Types of entries in a tar. */
const [FILE, HARD_LINK, LINK, CHARACTERS, BLOCKS, PIPE] = ["0", "1", "2", "3", "4", "6"];

interface TarEntry {
  readonly name: string;
  readonly content?: Uint8Array;
  readonly type?: string | undefined;
  readonly target?: string;
  /** What the header claims. */
  readonly size?: bigint;
}

/** @see POSIX.1-1988 "ustar"; sizes of 8 GiB and more in base 256, as GNU tar writes them */
function tarEntry({ name, content = new Uint8Array(), type = FILE, target = "", size }: TarEntry): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write("0000644\0", 100);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  if (size !== undefined) {
    header[124] = 0x80;
    header.fill(0, 125, 128);
    header.writeBigUInt64BE(size, 128);
  }
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write(type!, 156);
  header.write(target, 157, 100);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

/** Twelve pictures of each class. */
const good = Array.from({ length: 24 }, (_, i) => ({
  name: `${i % 2 ? "red" : "blue"}/${i}.png`,
  content: Uint8Array.from(i % 2 ? red : blue),
}));

/** Opens an archive that lies alone in a folder two levels down. @returns how many pictures there are, or why none */
async function opened(name: string, bytes: Uint8Array): Promise<number | string> {
  const folder = mkdtempSync(join(base, "box-"));
  const deep = join(folder, "a", "b");
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, name), bytes);
  const before = readdirSync(folder, { recursive: true });
  const outcome = await openDataset(join(deep, name), { size: 8, cacheFolder: join(base, "cache") }).then(
    ({ train, validation, test: judged }) => train!.count + validation!.count + judged.count,
    (error: Error) => {
      if (error instanceof UserError) return error.message;
      throw error;
    },
  );
  expect(readdirSync(folder, { recursive: true })).toEqual(before);
  return outcome;
}

const tar = (...entries: readonly TarEntry[]): Promise<number | string> =>
  opened("data.tar", Buffer.concat([...[...good, ...entries].map(tarEntry), Buffer.alloc(1024)]));
const zip = (...entries: readonly ZipEntry[]): Promise<number | string> =>
  opened("data.zip", zipOf([...good, ...entries]));

describe("a tar", () => {
  test.each([FILE, HARD_LINK, LINK, CHARACTERS, BLOCKS, PIPE].slice(1))(
    "with an entry of type %s reads files alone",
    async (type) => {
      expect(
        await tar({
          name: "red/x.png",
          type,
          ...(type === LINK || type === HARD_LINK ? { target: "/etc/passwd" } : {}),
        }),
      ).toBe(24);
    },
  );

  test("with a name twice: the later one counts, as in tar itself", async () => {
    expect(await tar({ name: "red/1.png", content: Uint8Array.from(red) })).toBe(24);
    expect(await tar({ name: "red/1.png", content: Uint8Array.of(1, 2, 3) })).toMatch(
      /1 of 24 that cannot: red\/1\.png/,
    );
  });

  test.each(["../red/x.png", "../../../x.png", "/etc/x.png", "red/../../x.png"])(
    "with the name %s writes nothing there",
    async (name) => {
      await tar({ name, content: Uint8Array.from(red) });
    },
  );

  test.each([33n, 36n, 40n, 52n, 60n, 62n])("with an entry that claims 2^%s bytes is refused", async (power) => {
    const started = performance.now();
    expect(await tar({ name: "red/x.png", content: Uint8Array.from(red), size: 2n ** power })).toMatch(
      /^data: expected a whole \.tar/,
    );
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test.runIf(IS_LONG)("of 2 MB that unpacks to 2 GiB is given up at 1 GiB", { timeout: 600_000 }, async () => {
    const path = join(base, "bomb.tar.gz");
    const packed = createGzip({ level: 9 });
    packed.pipe(createWriteStream(path));
    packed.write(Buffer.concat([...good.map(tarEntry), tarEntry({ name: "red/x.png", size: 2n ** 31n })]));
    const zeros = Buffer.alloc(2 ** 24);
    for (let i = 0; i < 128; i++)
      if (!packed.write(zeros)) await new Promise((resolve) => packed.once("drain", resolve));
    packed.end(Buffer.alloc(1024));
    await finished(packed);
    const before = process.memoryUsage.rss();
    await expect(openDataset(path, { size: 8, cacheFolder: join(base, "cache") })).rejects.toThrow(
      /more than 1073741824 bytes inside, more than data of this size unpacks to/,
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 2 ** 20);
  });
});

describe("a zip", () => {
  test.each(["../x.png", "/etc/x.png", "red/../../x.png", "red\\..\\x.png"])(
    "with the name %s is refused, or is one file more",
    async (name) => {
      const outcome = await zip({ name, content: Uint8Array.from(red) });
      if (typeof outcome === "string") expect(outcome).toMatch(/^data: expected /);
      else expect(outcome).toBe(25);
    },
  );

  test("with a name twice is refused: programs differ in which of the two they take", async () => {
    expect(await zip({ name: "red/1.png", content: Uint8Array.from(blue) })).toMatch(
      /expected every name once in .*, found red\/1\.png twice/,
    );
  });

  test.each([1, 2 ** 31, 2 ** 32 - 2])("with an entry that claims %s bytes names the picture", async (size) => {
    expect(await zip({ name: "red/x.png", content: Uint8Array.from(red), size })).toMatch(
      /1 of 25 that cannot: red\/x\.png/,
    );
  });
});

describe("a picture", () => {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const png = (width: number, height: number, lines: Uint8Array): Buffer => {
    const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]); // one bit a pixel, grey
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
    return Buffer.concat([
      signature,
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(lines)),
      chunk("IEND", Buffer.alloc(0)),
    ]);
  };

  test.each([
    ["30,000 x 30,000", 30_000, 30_000],
    ["2,000,000 x 100", 2_000_000, 100],
  ])("that claims %s pixels is refused before they are made", async (_, width, height) => {
    const before = process.memoryUsage.rss();
    await expect(readImage(new Uint8Array(png(width, height, Buffer.alloc(1000))), [3, 8, 8])).rejects.toThrow(
      UserError,
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 2 ** 20);
  });

  test("that moves is its first frame, however long it goes on", async () => {
    const frames = Array.from({ length: 50 }, (_, i) =>
      i === 0 ? [255, 0, 0] : [0, 255 * (i % 2), 255 * ((i + 1) % 2)],
    );
    const raw = Uint8Array.from(frames.flatMap((colour) => Array.from({ length: 64 }, () => colour).flat()));
    const moving = await sharp(raw, { raw: { width: 8, height: 400, channels: 3, pageHeight: 8 } })
      .gif({ loop: 0 })
      .toBuffer();
    expect((await sharp(moving).metadata()).pages).toBe(50);
    const pixels = await readImage(new Uint8Array(moving), [3, 8, 8]);
    expect([pixels[0], pixels[64], pixels[128]]).toEqual([255, 0, 0]);
  });
});
