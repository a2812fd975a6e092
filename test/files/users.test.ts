import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isLocked } from "../../src/files/lock.ts";
import { thisProcess } from "../../src/files/owner.ts";
import { isUsed, markUsed } from "../../src/files/users.ts";
import { openFolder } from "../../src/files/writer.ts";
import { temporaryFolder } from "../dataset/cifar-files.ts";

test("a folder is used as long as a process that reads from it lives", async () => {
  const folder = temporaryFolder();
  expect(await isUsed(folder)).toBe(false);
  await markUsed(folder);
  expect(await isUsed(folder)).toBe(true);
});

test("a mark of a process that has ended counts for nothing, even if its number was given again", async () => {
  const folder = temporaryFolder();
  const ended = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
  const mark = (name: number, owner: object) =>
    writeFileSync(join(folder, `.earlyexit-used-by-${name}`), JSON.stringify(owner));
  mark(1, { ...thisProcess(), process: ended });
  if (thisProcess().began !== null) mark(2, { ...thisProcess(), began: "1" });
  writeFileSync(join(folder, ".earlyexit-used-by-3"), "half a mar");
  expect(await isUsed(folder)).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});

test("who waits for a folder is told once whose it is, and may stop waiting", async () => {
  const folder = temporaryFolder();
  const first = await openFolder(folder);
  expect(await isLocked(folder)).toBe(true);
  const stop = new AbortController();
  const told: unknown[] = [];
  const second = openFolder(folder, {
    waitMs: Number.POSITIVE_INFINITY,
    onWait: (process) => told.push(process),
    signal: stop.signal,
  });
  setTimeout(() => stop.abort(new Error("enough")), 300);
  await expect(second).rejects.toThrow("enough");
  expect(told).toEqual([process.pid]);
  await first.close();
  expect(await isLocked(folder)).toBe(false);
});
