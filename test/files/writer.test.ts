import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { openFolder, readInFolder, replaceFile, withFolder } from "../../src/files/writer.ts";
import { integer, seededRandom } from "../../src/random.ts";

const base = mkdtempSync(join(tmpdir(), "earlyexit-writer-"));
let folder: string;
let count = 0;
beforeEach(() => {
  folder = join(base, `${count++}`);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const look = async (name: string): Promise<string | null> => {
  const bytes = await readInFolder(folder, name);
  return bytes && new TextDecoder().decode(bytes);
};

async function another(mode: "hold" | "write"): Promise<ChildProcess> {
  const script = new URL("writing-process.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", script, folder, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout!.once("data", resolve));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

describe("a folder", () => {
  test("takes files, replaces and removes them, and nothing is left beside them", async () => {
    await withFolder(folder, async (files) => {
      await files.replace(
        new Map<string, string | Uint8Array>([
          ["a", "1"],
          ["b", Uint8Array.of(0x32)],
        ]),
      );
      await files.replace(new Map([["a", "3"]]), ["b"]);
      files.append("c", "x");
      files.append("c", "y");
    });
    expect(readdirSync(folder).sort()).toEqual(["a", "c"]);
    expect([read("a"), read("c")]).toEqual(["3", "xy"]);
  });

  test("is locked while it is open, and waited for where that is asked", async () => {
    const first = await openFolder(folder);
    await expect(openFolder(folder)).rejects.toThrow(UserError);
    await expect(openFolder(folder)).rejects.toThrow(`found it written by process ${process.pid} (since `);
    const second = openFolder(folder, { waitMs: 5_000 });
    await sleep(100);
    await first.close();
    await (await second).close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("whose lock is gone is written no more", async () => {
    const files = await openFolder(folder);
    rmSync(join(folder, ".earlyexit-lock"));
    await expect(files.replace(new Map([["a", "1"]]))).rejects.toThrow(
      "the lock of this process expected, found another or none",
    );
    await files.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is not made for work that fails, and stays where it was before", async () => {
    const fail = () => withFolder(join(folder, "deep", "down"), () => Promise.reject(new Error("no")));
    await expect(fail()).rejects.toThrow("no");
    expect(existsSync(folder)).toBe(false);
    mkdirSync(join(folder, "deep"), { recursive: true });
    await expect(fail()).rejects.toThrow("no");
    expect(readdirSync(folder, { recursive: true })).toEqual(["deep"]);
  });

  test("keeps what it had when a file cannot be written", async () => {
    await withFolder(folder, async (files) => {
      await files.replace(new Map([["a", "1"]]));
      const broken = files.replace(
        new Map([
          ["a", "2"],
          ["x".repeat(300), "3"],
        ]),
      );
      await expect(broken).rejects.toThrow(UserError);
      await expect(broken).rejects.toThrow("found a name that is too long (ENAMETOOLONG)");
    });
    expect(readdirSync(folder)).toEqual(["a"]);
    expect(read("a")).toBe("1");
  });

  test("a staged folder of somebody else leads to nothing outside", async () => {
    mkdirSync(join(folder, ".earlyexit-next"), { recursive: true });
    writeFileSync(join(base, "precious"), "mine");
    writeFileSync(join(folder, ".earlyexit-next", ".earlyexit-removed.json"), '["../precious"]');
    await expect(openFolder(folder)).rejects.toThrow("a list of names without folders expected");
    expect(readFileSync(join(base, "precious"), "utf8")).toBe("mine");
  });
});

describe("killed", () => {
  test("a process that is gone holds no lock; one that is there does", async () => {
    const child = await another("hold");
    await expect(openFolder(folder)).rejects.toThrow(`found it written by process ${child.pid} (since `);
    await kill(child);
    await (await openFolder(folder)).close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("many who find a dead one's lock: one at a time has it", async () => {
    const child = await another("hold");
    await kill(child);
    let [inside, most] = [0, 0];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const files = await openFolder(folder, { waitMs: 10_000 });
        most = Math.max(most, ++inside);
        await sleep(10);
        inside--;
        await files.close();
      }),
    );
    expect(most).toBe(1);
  });

  test("a lock from another machine is nobody's once it was not renewed for a minute", async () => {
    mkdirSync(folder);
    const lock = join(folder, ".earlyexit-lock");
    writeFileSync(lock, JSON.stringify({ process: 1, place: "elsewhere", boot: "x", began: "1", since: "then" }));
    await expect(openFolder(folder)).rejects.toThrow("found it written by process 1 (since then)");
    const before = new Date(Date.now() - 61_000);
    utimesSync(lock, before, before);
    await (await openFolder(folder)).close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("at any moment: all files are of one version, for who reads at once and for who writes next", {
    timeout: 60_000,
  }, async () => {
    const random = seededRandom(5);
    for (let round = 0; round < 6; round++) {
      const child = await another("write");
      await sleep(integer(random, 1, 120));
      await kill(child);
      const version = await look("main");
      const parts = async () =>
        Promise.all([0, 1, 2, 3, 4].map(async (i) => (await look(`part-${i}`))?.split(" ")[0] ?? null));
      const odd = Number(version) % 2 === 1;
      const expected =
        version === null ? [null, null, null, null, null] : [version, version, version, version, odd ? null : version];
      const seen = await parts();
      if (odd) seen[4] = null; // told to be removed, and nobody reads it
      expect(seen).toEqual(expected);
      await (await openFolder(folder)).close();
      expect(await look("main")).toBe(version);
      expect(await parts()).toEqual(expected);
      expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
    }
  });
});

describe("replaceFile", () => {
  test("replaces one file and leaves nothing beside it; a failure leaves the old one", async () => {
    mkdirSync(folder);
    await replaceFile(join(folder, "a"), "a long first text");
    await replaceFile(join(folder, "a"), "hi");
    expect(read("a")).toBe("hi");
    await expect(replaceFile(join(folder, "nowhere", "a"), "new")).rejects.toThrow("found nothing there (ENOENT)");
    mkdirSync(join(folder, "b"));
    writeFileSync(join(folder, "b", "c"), "");
    await expect(replaceFile(join(folder, "b"), "new")).rejects.toThrow(UserError);
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
  });

  test("what a killed process left of one is cleared away by the next writer, another's is not", async () => {
    mkdirSync(folder);
    const gone = 2 ** 22 + 1; // above the largest number that Linux gives
    writeFileSync(join(folder, `.earlyexit-${gone}-a.tmp`), "half");
    writeFileSync(join(folder, `.earlyexit-${process.pid}-a.tmp`), "half");
    await (await openFolder(folder)).close();
    expect(readdirSync(folder)).toEqual([`.earlyexit-${process.pid}-a.tmp`]);
  });
});
