/** `learn` after `run`: the pictures that a run kept for its policy are found again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { drawPictures } from "./drawn-pictures.ts";
import { runHere } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-relearn-"));
const data = join(folder, "pictures");
beforeAll(() => drawPictures(data, 150));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a run's policy is learned anew from the validation part that the run kept", async () => {
  const out = join(folder, "relearned");
  const args = ["--blueprint", "tiny", "--recipe", "quick", "--size", "16", "--from", "none", "--epochs", "1"];
  const begun = await runHere("run", "--data", data, "--validation", "0.5", ...args, "--steps", "20", "--out", out);
  expect(begun.stderr + begun.code).toMatch(/0$/);
  const model = () => JSON.parse(readFileSync(join(out, "model.json"), "utf8"));
  const pictures = () => model().files["validation.safetensors"].sha256; // what the exits say of them
  const [before, { provenance, policy }] = [pictures(), model()];
  const learned = await runHere("learn", "--model", out, "--data", data, "--steps", "20", "--seed", "2");
  expect(learned.stderr + learned.code).toMatch(/0$/);
  expect(model().provenance).toEqual(provenance);
  expect(model().policy.seed).not.toBe(policy.seed);
  expect(pictures()).toBe(before);
  const config = join(out, "config.json");
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), validation: 0.2 }));
  const other = await runHere("learn", "--model", out, "--data", data, "--steps", "20");
  expect([other.code, other.stderr]).toEqual([
    2,
    expect.stringMatching(/the validation split that the network was kept away from/),
  ]);
});
