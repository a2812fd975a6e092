import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { readFile, readFileIfThere, readJsonFile, readShortText } from "../../src/files/reader.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-reader-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

writeFileSync(at("a"), "some bytes");
mkdirSync(at("folder"));
symlinkSync(at("a"), at("link"));
symlinkSync(at("folder"), at("link to a folder"));
symlinkSync(at("round"), at("round"));

const text = (bytes: Uint8Array | null): string | null => bytes && new TextDecoder().decode(bytes);

test("a regular file, and a link to one", async () => {
  for (const name of ["a", "link"]) expect(text(await readFile(at(name), { limitBytes: 10 }))).toBe("some bytes");
});

test("what is not there", async () => {
  for (const path of [at("b"), at("a/b"), at("b/c")]) {
    expect(await readFileIfThere(path)).toBeNull();
    await expect(readFile(path)).rejects.toThrow(`${path}: a file that can be read expected, found nothing there`);
  }
});

describe("a short text", () => {
  test("from a file, no more than the limit", async () => {
    expect(await readShortText(at("a"), 10)).toBe("some bytes");
    await expect(readShortText(at("a"), 9)).rejects.toThrow(
      `${at("a")}: a text of at most 9 bytes expected, found more`,
    );
    await expect(readShortText(at("b"))).rejects.toThrow(`${at("b")}: a text that can be read expected, found nothing`);
    await expect(readShortText(at("folder"))).rejects.toThrow("a text that can be read expected, found a folder");
  });

  test.skipIf(process.platform === "win32")("from a pipe, to its end, and from a device, to the limit", async () => {
    execFileSync("mkfifo", [at("keys")]);
    const writer = spawn("sh", ["-c", `(echo one; sleep 0.1; echo two) > '${at("keys")}'`]);
    const ended = once(writer, "exit");
    expect(await readShortText(at("keys"))).toBe("one\ntwo\n");
    await ended;
    await expect(readShortText("/dev/zero")).rejects.toThrow("a text of at most 65536 bytes expected, found more");
  });
});

describe("refused", () => {
  const refused = async (path: string, message: string, options = {}): Promise<void> => {
    const error: unknown = await readFile(path, options).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  };

  test("a folder, and a link to one", async () => {
    for (const name of ["folder", "link to a folder"])
      await refused(at(name), `${at(name)}: a regular file expected, found a folder; give the path of a file`);
  });

  test.skipIf(process.platform === "win32")(
    "a pipe, which would wait for ever, and a device, which would never end",
    async () => {
      execFileSync("mkfifo", [at("pipe")]);
      symlinkSync("/dev/zero", at("link to a device"));
      await refused(at("pipe"), "a regular file expected, found a pipe");
      await refused("/dev/zero", "a regular file expected, found a device");
      await refused(at("link to a device"), "a regular file expected, found a device");
    },
  );

  test("more bytes than the limit, before any is read", async () => {
    await refused(at("a"), "at most 9 bytes expected, found 10; raise limitBytes", { limitBytes: 9 });
    writeFileSync(at("sparse"), "");
    truncateSync(at("sparse"), 2 ** 40);
    const before = process.memoryUsage.rss();
    await refused(at("sparse"), "at most 4294967296 bytes expected, found 1099511627776");
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 27);
  });

  test("paths that the system does not take", async () => {
    await refused(at("x".repeat(300)), "found a name that is too long (ENAMETOOLONG); give a shorter path");
    await refused(at("round"), "found links that lead round in a circle (ELOOP)");
    await refused(at("a\0b"), "found a path with a null byte");
  });

  test.skipIf(process.getuid?.() === 0)("without permission", async () => {
    writeFileSync(at("secret"), "");
    chmodSync(at("secret"), 0);
    await refused(at("secret"), "found no permission (EACCES)");
  });
});

test("JSON", async () => {
  writeFileSync(at("a.json"), '\u{feff}{"a":1}');
  expect(await readJsonFile(at("a.json"))).toEqual({ a: 1 });
  await expect(readJsonFile(at("a"))).rejects.toThrow(`${at("a")}: JSON expected, found "some bytes"`);
  expect(existsSync(at("a"))).toBe(true);
});
