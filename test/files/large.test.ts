/** Files that are written in parts and read at random: what is on disk after each step, by bytes. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { openRandom, putInPlace, scratchFile, writeParts } from "../../src/files/large.ts";
import { temporaryFolder } from "../dataset/cifar-files.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test("parts go to the end, or to where they are wanted; what was not written is zero", () => {
  const path = join(temporaryFolder(), "parts");
  const file = writeParts(path, { bytes: 6 });
  file.write(bytes(9), 4);
  file.write(bytes(7, 8), 1);
  file.flush();
  file.close();
  expect([...readFileSync(path)]).toEqual([0, 7, 8, 0, 9, 0]);
  const more = writeParts(path, { isContinued: true });
  more.write(bytes(1));
  more.write(bytes(2, 3));
  more.close();
  expect([...readFileSync(path)]).toEqual([0, 7, 8, 0, 9, 0, 1, 2, 3]);
  writeParts(path).close(); // anew
  expect(readFileSync(path)).toHaveLength(0);
});

test("a whole file appears under its name at once, in place of the one before", async () => {
  const folder = temporaryFolder();
  const [part, path] = [join(folder, "archive.part"), join(folder, "archive")];
  writeFileSync(path, "old");
  const file = writeParts(part);
  file.write(bytes(65, 66));
  expect(readFileSync(path, "utf8")).toBe("old");
  file.close();
  await putInPlace(part, path);
  expect([readFileSync(path, "utf8"), existsSync(part)]).toEqual(["AB", false]);
  await expect(putInPlace(part, path)).rejects.toThrow(UserError);
});

test("reads what is wanted, in any order; its end and all that is no file are told", () => {
  const path = join(temporaryFolder(), "values");
  writeFileSync(path, bytes(1, 2, 3, 4, 5));
  const file = openRandom(path);
  const into = new Uint8Array(2);
  const seen = [3, 0, 1].map((position) => {
    file.read(into, position);
    return [...into];
  });
  expect(seen).toEqual([
    [4, 5],
    [1, 2],
    [2, 3],
  ]);
  expect(() => file.read(into, 4)).toThrow("2 bytes at 4 expected, found its end; the file was changed");
  expect(() => openRandom(join(path, "..", "none"))).toThrow(UserError);
  expect(() => openRandom(join(path, ".."))).toThrow("a regular file expected");
});

test.skipIf(process.platform === "win32")("a pipe without a writer does not hold it up", () => {
  const path = join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  expect(() => openRandom(path)).toThrow("a regular file expected");
});

test.skipIf(!existsSync("/dev/full"))("a disk without room is the user's to mend", () => {
  const file = writeParts("/dev/full", { isContinued: true });
  expect(() => file.write(bytes(1))).toThrow(/^\/dev\/full: a file that can be written expected, found no room left/);
  file.close();
});

test("scratch files of processes that have ended are removed, those of living ones stay", async () => {
  const folder = join(temporaryFolder(), "scratch");
  mkdirSync(folder);
  const ended = execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }).trim();
  for (const pid of [ended, process.ppid]) writeFileSync(join(folder, `scratch-${pid}-x`), "");
  const path = await scratchFile(folder);
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(folder)).toEqual([`scratch-${process.ppid}-x`]);
});
