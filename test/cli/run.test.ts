/** `run`, and what follows on it: several seeds side by side; `learn`, which finds the pictures again that were kept for the policy. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { drawPictures } from "./drawn-pictures.ts";
import { runHere } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-run-"));
const data = join(folder, "pictures");
const out = join(folder, "many");
const small = "--blueprint tiny --recipe quick --size 16 --from none --epochs 1 --validation 0.4 --steps 10".split(" ");

const modelOf = (seed: number) => JSON.parse(readFileSync(join(`${out}-seed${seed}`, "model.json"), "utf8"));

beforeAll(() => drawPictures(data, 140)); // in folders of classes, without parts
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("several seeds are judged on the same pictures, and compared", async () => {
  const ended = await runHere("run", "--data", data, "--seeds", "1,2", ...small, "--out", out, "--json");
  expect(ended.stderr + ended.code).toMatch(/0$/);
  const { runs } = JSON.parse(ended.stdout);
  expect(runs.map(({ seed }: { seed: number }) => seed)).toEqual([1, 2]);
  const [first, second] = [1, 2].map((seed) => modelOf(seed).provenance.dataset.sha256);
  expect(second.test).toBe(first.test);
  expect(second.validation).not.toBe(first.validation);
});

test("a run's policy is learned anew from the validation part that the run kept", async () => {
  const run = `${out}-seed1`;
  const learn = (seed: string) => runHere("learn", "--model", run, "--data", data, "--steps", "10", "--seed", seed);
  const pictures = () => modelOf(1).files["validation.safetensors"].sha256; // what the exits say of them
  const [before, { provenance, policy }] = [pictures(), modelOf(1)];
  const learned = await learn("2");
  expect(learned.stderr + learned.code).toMatch(/0$/);
  expect(modelOf(1).provenance).toEqual(provenance);
  expect(modelOf(1).policy.seed).not.toBe(policy.seed);
  expect(pictures()).toBe(before);
  const config = join(run, "config.json");
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), validation: 0.2 }));
  const other = await learn("3");
  expect([other.code, other.stderr]).toEqual([
    2,
    expect.stringMatching(/the validation split that the network was kept away from/),
  ]);
});
