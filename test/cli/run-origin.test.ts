/** What a run folder says of where it was computed: nothing that tells whose machine it was. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { commandText, originOf } from "../../src/cli/run-origin.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-origin-"));

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  [["run", "--data", "photos", "--seed", "1"], "earlyexit run --data photos --seed 1"],
  [["run", "--data", "/home/me/my photos/"], "earlyexit run --data '.../my photos'"],
  [["run", "--out=/srv/a=b/runs/first"], "earlyexit run --out=.../first"],
  [["run", "/srv/a=b/c"], "earlyexit run .../c"],
  [["run", "--data", "C:\\Users\\me\\photos"], "earlyexit run --data .../photos"],
  [["run", "--data", "file:///home/me/photos.zip"], "earlyexit run --data .../photos.zip"],
  [["serve", "--model", "mine=/home/me/model"], "earlyexit serve --model mine=.../model"],
  [["worker", "--queue", "redis://me:secret@host:6379/1"], "earlyexit worker --queue redis://...@host:6379/1"],
  [["run", "--data", "it's"], "earlyexit run --data 'it'\\''s'"],
])("%j", (args, expected) => {
  expect(commandText(args)).toBe(expected);
});

test("the commit of the repository that one is in, with a word where files were changed; none elsewhere", async () => {
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b.c", ...args], { encoding: "utf8" });
  const cwd = process.cwd();
  execFileSync("mkdir", ["-p", folder]);
  vi.stubEnv("GIT_CEILING_DIRECTORIES", tmpdir());
  try {
    process.chdir(folder);
    expect((await originOf([])).commit).toBeNull();
    git("init", "-q");
    writeFileSync(join(folder, "file"), "1");
    git("add", ".");
    git("commit", "-q", "-m", "first");
    const hash = git("rev-parse", "HEAD").trim();
    expect((await originOf([])).commit).toBe(hash.slice(0, 12));
    writeFileSync(join(folder, "file"), "2");
    expect((await originOf([])).commit).toBe(`${hash.slice(0, 12)}-dirty`);
  } finally {
    process.chdir(cwd);
    vi.unstubAllEnvs();
  }
});
