import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import { suspects } from "../../src/evaluation/suspects.ts";
import { galleryHtml } from "../../src/report/gallery.ts";
import { temporaryFolder } from "../dataset/cifar-files.ts";
import { writePlain } from "../dataset/picture-files.ts";

let printed = "";
let said = "";
beforeEach(() => {
  printed = "";
  said = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

async function photos(): Promise<string> {
  const folder = temporaryFolder();
  for (let i = 0; i < 4; i++) {
    await writePlain(folder, `train/red/${i}.png`, `#${(0x800000 + i * 0x100000).toString(16)}`, 20 + i, 20);
    await writePlain(folder, `train/blue/${i}.jpg`, `#0000${(0x80 + i * 16).toString(16)}`, 20, 20);
    await writePlain(folder, `val/red/${i}.png`, `#${(0x880000 + i * 0x100000).toString(16)}`);
  }
  await writePlain(folder, "train/lonely/1.png", "#00ff00");
  await writePlain(folder, "test/red/leak.png", "#900000", 9, 9);
  writeFileSync(join(folder, "train/red/broken.png"), "no picture");
  writeFileSync(join(folder, ".DS_Store"), "x");
  writeFileSync(join(folder, "LICENSE.txt"), "x");
  return folder;
}

test("data check names leaks, small classes and files that cannot be read", async () => {
  expect(await runCli(["data", "check", "--data", await photos(), "--size", "8", "--json"])).toBe(0);
  const { unreadable, smallClasses, leaks, contradictions } = JSON.parse(printed);
  expect(unreadable).toEqual([{ name: "train/red/broken.png", reason: "no picture that is known" }]);
  expect(smallClasses).toEqual([{ name: "lonely", pictures: 1 }]);
  expect(
    leaks.map((pair: { first: { name: string }; second: { name: string } }) => [pair.first.name, pair.second.name]),
  ).toEqual([["train/red/1.png", "test/red/leak.png"]]);
  expect(contradictions).toEqual([]);
  printed = "";
  expect(await runCli(["data", "check", "--data", await photos(), "--size", "8"])).toBe(0);
  expect(printed).toContain(
    "the same picture in two splits (a leak: figures would be too good): 1\n  train/red/1.png (train, red)",
  );
});

test("data info counts classes, formats and sizes, and draws a contact sheet", async () => {
  const folder = await photos();
  const sheet = join(temporaryFolder(), "sheet.html");
  const args = ["data", "info", "--data", folder, "--size", "8", "--skip-broken", "--sheet", sheet];
  expect(await runCli(args)).toBe(0);
  expect(printed).toMatch(/^red +4 +4 +1$/m);
  expect(printed).toContain("files: 15 pictures; 2 other files");
  expect(printed).toContain("formats png 10, jpeg 4, unreadable 1");
  expect(printed).toContain("smallest 8x8");
  expect(said).toContain("1 pictures that cannot be read are left out");
  expect(readFileSync(sheet, "utf8").match(/<img src="data:image\/png/g)).toHaveLength(9);
  printed = "";
  expect(await runCli(["data", "info", "--data", folder, "--size", "8"])).toBe(2);
  expect(said).toContain("found 1 of 15 that cannot: train/red/broken.png (no picture that is known)");
});

test("data cache lists what was decoded", async () => {
  const folder = await photos();
  await runCli(["data", "check", "--data", folder, "--size", "8"]);
  printed = "";
  expect(await runCli(["data", "cache"])).toBe(0);
  expect(printed).toContain("of at most");
  expect(printed).toMatch(/ 15 +3x8x8 /);
  expect(printed).toContain("in use");
});

test("suspects are the surest wrong answers of the last exit", () => {
  const p = (...values: number[]) => values.map(Math.log);
  const logProbabilities = Float32Array.from([
    ...p(0.9, 0.1),
    ...p(0.2, 0.8), // says 1, is 0
    ...p(0.1, 0.9),
    ...p(0.9, 0.1), // right
    ...p(0.5, 0.5),
    ...p(0.05, 0.95), // says 1, is 0: surer
  ]);
  const table = { logProbabilities, labels: Uint16Array.of(0, 0, 0), count: 3, exits: 2, classes: 2 };
  expect(
    suspects(table, 5).map(({ image, answer, confidence }) => [image, answer, Number(confidence.toFixed(3))]),
  ).toEqual([
    [2, 1, 0.95],
    [0, 1, 0.8],
  ]);
  expect(suspects(table, 1)).toHaveLength(1);
});

test("a name in a gallery is no markup", () => {
  const html = galleryHtml("a", "b", [{ title: "<b>", pictures: [{ png: "data:x", text: '<script>"' }] }]);
  expect(html).not.toMatch(/<b>|<script/);
});
