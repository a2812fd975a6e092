/** `earlyexit score`: each picture once, the same bytes however it came about. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Score } from "../../src/inference/scoring.ts";
import { modelFolder } from "../../src/model/bundled.ts";
import { AdaptiveClassifier } from "../../src/story/classifier.ts";
import { jobOf } from "../../src/story/jobs.ts";
import { createScorer } from "../../src/story/score.ts";
import { VERSION } from "../../src/version.ts";
import { drawPictures } from "./drawn-pictures.ts";
import { runHere } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-score-"));
const data = join(folder, "pictures");
const whole = join(folder, "whole");
const COUNT = 150;
const SHARDS = 4; // of 40, so that the last one holds 30 and none is one batch exactly
let names: string[] = [];

beforeAll(async () => {
  names = await drawPictures(data, COUNT);
  writeFileSync(join(data, "3/notes.txt"), "no picture");
  writeFileSync(join(data, "3/torn.png"), readFileSync(join(data, names[5]!)).subarray(0, 400));
  names = [...names, "3/torn.png"].sort();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const score = (out: string, ...args: string[]) =>
  runHere("score", "--model", "shapes", "--data", data, "--out", out, "--shard-size", "40", ...args);
const shards = (out: string) =>
  readdirSync(out)
    .filter((name) => name.startsWith("shard-"))
    .sort();
const bytes = (out: string) => shards(out).map((name) => readFileSync(join(out, name), "utf8"));
const scores = (out: string) =>
  bytes(out).flatMap((text) =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Score),
  );

test("every picture once, in order, with what the classifier says of it", async () => {
  const { code, stdout } = await score(whole, "--json");
  expect(code).toBe(0);
  expect(shards(whole)).toEqual([1, 2, 3, 4].map((n) => `shard-0000${n}-of-00004.jsonl`));
  const found = scores(whole);
  expect(found.map(({ path }) => path)).toEqual(names);
  const classifier = await AdaptiveClassifier.load("shapes", { threads: 1 });
  const good = found.flatMap((one) => ("error" in one ? [] : [one]));
  for (const one of good.filter((_, i) => i % 10 === 0)) {
    const alone = await classifier.classify(join(data, one.path));
    expect({ class: alone.label, exit: alone.exit, costMacs: alone.costMacs }).toEqual({
      class: one.class,
      exit: one.exit,
      costMacs: one.costMacs,
    });
    expect(one.confidence).toBeCloseTo(alone.confidence, 4); // in a batch, so not to the last digit
  }
  await classifier.close();
  const told = JSON.parse(stdout);
  expect(told).toMatchObject({ pictures: COUNT + 1, broken: 1, shards: { done: SHARDS, of: SHARDS } });
  const byExit = told.exits.map(({ exit }: { exit: number }) => good.filter((one) => one.exit === exit).length);
  expect(told.exits.map(({ pictures }: { pictures: number }) => pictures)).toEqual(byExit);
  expect(byExit.filter((count: number) => count > 0).length).toBeGreaterThan(1);
  const mean = good.reduce((sum, one) => sum + one.costMacs, 0) / COUNT;
  expect(told.costMacs.mean).toBeCloseTo(mean, 3);
  expect(told.savings).toBeCloseTo(1 - mean / told.costMacs.full, 9);
});

test("a picture that cannot be read has a line that says so, without a place in it", () => {
  const torn = scores(whole).find(({ path }) => path === "3/torn.png")!;
  expect(Object.keys(torn)).toEqual(["path", "error"]);
  expect(JSON.stringify(torn)).not.toContain(folder);
});

test("shares by themselves, in any order and another place, give the same bytes", async () => {
  const out = join(folder, "shares");
  const elsewhere = join(folder, "copy");
  cpSync(data, elsewhere, { recursive: true });
  const one = (share: string) =>
    runHere("score", "--model", "shapes", "--data", elsewhere, "--out", out, "--shard-size", "40", "--shard", share);
  const last = await one("3/3");
  expect(last.stdout).toContain("3 of 4 shards are still to be done");
  expect(shards(out)).toEqual(["shard-00003-of-00004.jsonl"]);
  await one("1/3");
  await one("2/3");
  expect(bytes(out)).toEqual(bytes(whole));
});

test("what was done is not done again, what is missing is", async () => {
  const out = join(folder, "resumed");
  cpSync(whole, out, { recursive: true });
  rmSync(join(out, "shard-00002-of-00004.jsonl"));
  const scrap = join(out, "shard-00002-of-00004.jsonl.00000000-0000-0000-0000-000000000000.part");
  writeFileSync(scrap, "half a shard");
  const kept = readFileSync(join(out, "shard-00001-of-00004.jsonl"), "utf8").replace(/"class":"\w+"/, '"class":"kept"');
  writeFileSync(join(out, "shard-00001-of-00004.jsonl"), kept);
  const { code, stderr } = await score(out);
  expect(code).toBe(0);
  expect(stderr).toContain("3 done already");
  expect(bytes(out)[0]).toBe(kept);
  expect(bytes(out)[1]).toBe(bytes(whole)[1]);
  expect(existsSync(scrap)).toBe(false);
});

test("an archive gives the same as the folder that it was packed from", async () => {
  const archive = join(folder, "pictures.tar");
  execFileSync("tar", ["-cf", archive, "-C", data, "."]);
  const out = join(folder, "packed");
  const { code } = await runHere("score", "--model", "shapes", "--data", archive, "--out", out, "--shard-size", "40");
  expect(code).toBe(0);
  expect(bytes(out)).toEqual(bytes(whole));
});

test("a worker refuses jobs of another version, and a model that is not the one that was meant", async () => {
  const scorer = createScorer(join(folder, "scratch"));
  const zeros = "0".repeat(64);
  const part = { offset: 0, bytes: 1, pictures: 1, sha256: zeros, firstSha256: zeros };
  const places = { model: modelFolder("shapes"), data, out: join(folder, "refused") };
  const job = (version: string) =>
    jobOf("score", "shard 1", { version, ...places, modelSha256: zeros, lambda: 0.1, shard: 1, shards: 4, part });
  await expect(scorer.work(job("0.0.1"), {})).rejects.toThrow(
    /a job of version .* expected, found one of 0\.0\.1; use workers/,
  );
  await expect(scorer.work(job(VERSION), {})).rejects.toThrow(
    /the model with SHA-256 0{12}\.\.\. expected, found [0-9a-f]{12}/,
  );
  await scorer.close();
});

test("mistakes: another dial, changed data, damaged results, a share that is none, no picture", async () => {
  const mistake = async (promise: ReturnType<typeof runHere>, ...words: string[]) => {
    const { code, stderr } = await promise;
    expect(code).toBe(2);
    for (const word of words) expect(stderr).toContain(word);
  };
  await mistake(score(whole, "--lambda", "0.3"), "--lambda", "begun with", "0.3");
  await mistake(score(whole, "--shard", "5/4"), "--shard", "5/4");
  const out = join(folder, "changed");
  const copy = join(folder, "copy");
  const again = (...args: string[]) =>
    runHere("score", "--model", "shapes", "--data", copy, "--out", out, "--shard-size", "40", ...args);
  await again("--shard", "1/4");
  appendFileSync(join(copy, names[45]!), "more");
  await mistake(again(), "1 that failed", names[45]!, "shard-00002");
  expect(shards(out)).toHaveLength(3); // the others are done
  writeFileSync(join(out, "shard-00001-of-00004.jsonl"), bytes(out)[0]!.split("\n").slice(1).join("\n"));
  await mistake(again("--shard", "1/4"), "shard-00001", "each once", "line 1");
  rmSync(join(out, "shard-00003-of-00004.jsonl"));
  writeFileSync(join(copy, names[80]!), readFileSync(join(copy, names[80]!)).reverse());
  await mistake(again("--shard", "3/4"), "shard-00003", names[80]!, "another picture of that size");
  await mistake(
    runHere("score", "--model", "shapes", "--data", join(data, "../whole"), "--out", join(folder, "none")),
    "pictures",
    "found none",
  );
});
