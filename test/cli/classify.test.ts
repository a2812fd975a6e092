/** `earlyexit classify`: what it takes, what it says, what it does about pictures that cannot be read. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { drawShape, SIDE } from "../../src/dataset/shape-drawing.ts";
import { seededRandom } from "../../src/random.ts";
import { AdaptiveClassifier } from "../../src/story/classifier.ts";
import { runHere } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-classify-"));
const paths = ["a.png", "deep/er/b.jpg", "deep/c.webp"].map((name) => join(folder, name));

beforeAll(async () => {
  mkdirSync(join(folder, "deep/er"), { recursive: true });
  for (const [label, path] of paths.entries()) {
    const pixels = drawShape(label, 0.1, seededRandom(9, label)); // [3, SIDE, SIDE]
    const interleaved = Uint8Array.from(
      { length: pixels.length },
      (_, i) => pixels[(i % 3) * SIDE * SIDE + Math.floor(i / 3)]!,
    );
    await sharp(interleaved, { raw: { width: SIDE, height: SIDE, channels: 3 } }).toFile(path);
  }
  writeFileSync(join(folder, "deep/notes.txt"), "no picture");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) => runHere("classify", "--model", "shapes", ...args);

test("a folder, at any depth; a pattern; what is no picture is passed over", async () => {
  const lines = (text: string) =>
    text
      .trim()
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(": ")[0]);
  const whole = await run(folder);
  expect(whole.code).toBe(0);
  expect(lines(whole.stdout)).toEqual([...paths].sort());
  expect(whole.stdout).toMatch(
    /a\.png: circle \([\d.]+%\), exit [1-4] of 4, [\d.]+ M MACs, [\d.]+ ms \+ [\d.]+ to read/,
  );
  expect(lines((await run(join(folder, "**/*.jpg"))).stdout)).toEqual([paths[1]]);
  expect(lines((await run(join(folder, "deep/?.webp"), paths[0]!)).stdout)).toEqual([paths[2], paths[0]]);
  const none = await run(join(folder, "*.gif"));
  expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/pictures .* expected in .*\*\.gif, found none/)]);
});

test("a bad one among good ones: the others are answered, then exit code 2 and its name", async () => {
  const bad = join(folder, "deep/bad.jpg");
  writeFileSync(bad, "no picture");
  try {
    const { code, stdout, stderr } = await run(folder, "--json");
    expect(code).toBe(2);
    const { images } = JSON.parse(stdout);
    expect(images.map((one: { label?: string; error?: string }) => one.label ?? one.error)).toEqual([
      "circle",
      expect.stringContaining("expected a picture"),
      expect.any(String),
      expect.any(String),
    ]);
    expect(stderr.trim().split("\n").at(-1)).toBe(
      `earlyexit: classify: 4 pictures expected, found 1 that cannot be read: ${bad}; the others are answered`,
    );
  } finally {
    rmSync(bad);
  }
});

test("CSV and JSON Lines, with further classes and reasons", async () => {
  const csv = (await run(...paths, "--format", "csv", "--top", "2")).stdout.trim().split("\n");
  expect(csv[0]).toBe(
    "image,label,confidence,exit,cost_macs,latency_ms,read_ms,stopped_by,reason,error,label_2,confidence_2",
  );
  expect(csv).toHaveLength(4);
  expect(csv[1]).toContain(`${paths[0]},circle,`);
  const jsonl = (await run(...paths, "--format", "jsonl")).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(jsonl.map(({ image }) => image)).toEqual(paths);
  for (const { reason, exit, trace } of jsonl) {
    expect(reason).toMatch(/exit,? [1-4]: .*sure; /);
    expect(trace).toHaveLength(exit);
  }
});

test("--explain says what was expected at each exit", async () => {
  const lines = (await run(paths[0]!, "--explain")).stdout.trim().split("\n");
  expect(lines[1]).toMatch(/^ {2}(left at exit [1-3]|went to the last exit, 4): /);
  expect(lines[2]).toMatch(/^ {4}exit 1: \w+ \([\d.]+%\); leaving [\d.]+, going on [\d.]+$/);
});

test("--precise: below a confidence that validation tells no class is named", async () => {
  const { stdout } = await run(...paths, "--precise", "99.8", "--format", "jsonl");
  const classifier = await AdaptiveClassifier.load("shapes", { precise: 0.998 });
  const sure = (await classifier.sureAnswers())!;
  expect(sure.precision).toBeGreaterThanOrEqual(0.998);
  expect(sure.answered).toBeLessThan(1);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(new Set(answers.map(({ unsure }) => unsure))).toEqual(new Set([true, false]));
  for (const { label, unsure, confidence, classIndex } of answers) {
    expect(unsure).toBe(confidence < sure.least);
    expect(label).toBe(unsure ? "unsure" : classifier.network.classes[classIndex]);
  }
  await classifier.close();
  await expect(AdaptiveClassifier.load("shapes", { precise: 99 })).rejects.toThrow(
    "a share above 0 and below 1 expected",
  );
});

test("a picture is the same as a path, a file:// address, bytes and a Blob; a bundled model is the same by name and address", async () => {
  const bytes = readFileSync(paths[0]!);
  const url = pathToFileURL(paths[0]!);
  const classifier = await AdaptiveClassifier.load("shapes");
  const images = [paths[0]!, url, String(url), bytes, new Blob([bytes])];
  const answers = await classifier.classifyBatch(images);
  expect(new Set(answers.map(({ confidence }) => confidence)).size).toBe(1);
  const other = await AdaptiveClassifier.load(new URL("../../models/shapes", import.meta.url));
  expect(other.network.sha256).toBe(classifier.network.sha256);
  await Promise.all([classifier.close(), other.close()]);
});
