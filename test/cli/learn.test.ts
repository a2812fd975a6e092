/** `learn` as a user meets it: the built command, in a process of its own. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawShape, SHAPE_CLASSES } from "../../src/dataset/shape-drawing.ts";
import type { ExitTable } from "../../src/exits/exit-table.ts";
import { encodeSafetensors } from "../../src/files/safetensors.ts";
import { seededRandom } from "../../src/random.ts";
import { syntheticTable } from "../policy/synthetic.ts";

const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "earlyexit-learn-"));
const at = (name: string): string => join(folder, name);
const run = at("run");
const data = at("data");

async function earlyexit(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [COMMAND, ...args], { maxBuffer: 1e8 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));

function writeTable(name: string, { logits, labels, count, exits, classes }: ExitTable, costs?: number[]): void {
  const arrays = new Map<string, { shape: number[]; data: Float32Array | Int32Array }>([
    ["logits", { shape: [count, exits, classes], data: logits }],
    ["labels", { shape: [count], data: Int32Array.from(labels) }],
  ]);
  if (costs) arrays.set("costs", { shape: [costs.length], data: Float32Array.from(costs) });
  writeFileSync(at(name), encodeSafetensors(arrays));
}

/** Middle exits that answer at random: the agent must learn to pass them by. */
function shiftedTable(count: number, seed: number): ExitTable {
  const table = syntheticTable(count, seed);
  const isMiddle = (i: number): boolean => [1, 2].includes(Math.floor(i / table.classes) % table.exits);
  return { ...table, logits: table.logits.map((value, i) => (isMiddle(i) ? 8 * Math.sin(i * 12.9898) : value)) };
}

/** Drawn pictures in the CIFAR-10 binary layout. */
function writeRecords(path: string, count: number, key: number): void {
  const records = new Uint8Array(count * 3073);
  for (let i = 0; i < count; i++) {
    records[i * 3073] = i % 10;
    records.set(drawShape(i % 10, 0.1, seededRandom(key, i)), i * 3073 + 1);
  }
  writeFileSync(path, records);
}

function writeImages(path: string, training: number, key: number): void {
  mkdirSync(path);
  writeRecords(join(path, "data_batch_1.bin"), training, key);
  writeRecords(join(path, "test_batch.bin"), 40, key + 1);
  writeFileSync(join(path, "batches.meta.txt"), `${SHAPE_CLASSES.join("\n")}\n`);
}

const stage = (channels: number) => ({
  layers: [{ type: "conv", channels, stride: 2 }, { type: "relu" }],
  head: [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }],
});
const NETWORK = { name: "three", input: [3, 32, 32], stages: [stage(4), stage(8), stage(8)] };
const SHORT = ["--steps", "60"];

beforeAll(async () => {
  writeFileSync(at("costs.json"), "[1, 2, 3, 50]");
  writeTable("table.safetensors", syntheticTable(600, 1), [0.4, 1, 1.5, 2.1]);
  writeTable("test.safetensors", syntheticTable(500, 2));
  writeTable("shifted.safetensors", shiftedTable(2000, 3));
  writeTable("same.safetensors", syntheticTable(400, 4));
  writeImages(data, 1500, 1);
  writeFileSync(at("network.json"), JSON.stringify(NETWORK));
  const made = await earlyexit(
    "train",
    "--data",
    data,
    "--blueprint",
    at("network.json"),
    "--recipe",
    "quick",
    "--epochs",
    "1",
    "--out",
    run,
  );
  expect(made.stderr, made.stderr).toContain("saved");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("from an exit table that was made elsewhere", () => {
  const table = ["learn", "--table", at("table.safetensors")];
  const out = at("policy");

  test("a policy folder, and the figures of evaluate in the table's unit", async () => {
    const held = ["--test-table", at("test.safetensors"), "--cost-unit", "mJ", "--out", out];
    const outcome = await earlyexit(...table, ...held, "--steps", "300", "--json");
    expect(outcome.stderr).toContain("costs of the exits: 0.4 mJ, 1 mJ, 1.5 mJ, 2.1 mJ; without early exit: 2.1 mJ");
    expect(outcome.code).toBe(0);
    const figures = JSON.parse(outcome.stdout);
    expect(figures).toMatchObject({
      samples: 500,
      costUnit: "mJ",
      dataset: { name: "test.safetensors", split: "test" },
    });
    expect(figures.costMacs.full).toBeCloseTo(2.1, 5);
    expect(figures.yardsticks.map(({ name }: { name: string }) => name)).toContain("threshold:entropy");
    expect(figures.accuracy).toBeGreaterThan(0.6); // the first exit alone reaches 0.65
    const stored = json(join(out, "policy.json"));
    expect(stored.policy.costUnit).toBe("mJ");
    expect(stored.figures).toEqual(figures);
  });

  test("and a report, which can be written again", async () => {
    const html = () => readFileSync(join(out, "report.html"), "utf8");
    for (const name of ["threshold:entropy", "An exit table has none", '\\"kind\\":\\"learn\\"'])
      expect(html().toLowerCase()).toContain(name.toLowerCase());
    rmSync(join(out, "report.html"));
    const again = await earlyexit("report", "--run", out);
    expect(again.stderr).toContain(`wrote ${join(out, "report.html")}`);
    expect(html()).toContain("threshold:entropy");
  });

  test("the agent decides at any lambda later, and so do the yardsticks", async () => {
    const evaluate = ["evaluate", "--model", out, "--table", at("test.safetensors")];
    const [recommended, dear, last] = await Promise.all([
      earlyexit(...evaluate, "--json"),
      earlyexit(...evaluate, "--lambda", "0.9", "--json"),
      earlyexit(...evaluate, "--policy", "exit:4", "--json"),
    ]);
    const { curves, ...figures } = JSON.parse(recommended.stdout);
    expect(figures).toEqual(json(join(out, "policy.json")).figures);
    expect(curves[0].name).toBe("dqn");
    expect(curves[0].points.length).toBeGreaterThan(50);
    expect(JSON.parse(dear.stdout).savings).toBeGreaterThan(JSON.parse(recommended.stdout).savings);
    expect(JSON.parse(last.stdout).accuracy).toBe(JSON.parse(last.stdout).exits[3].accuracyIfAlways);
    const bound = await earlyexit(...evaluate, "--budget", "1");
    expect(bound.stderr).toMatch(/lambda [\d.]+ meets it on validation: accuracy [\d.]+%, [\d.]+ mJ,/);
    const macs = await earlyexit(...evaluate, "--budget-macs", "1");
    expect([macs.code, macs.stderr]).toEqual([2, expect.stringContaining("budget: one in mJ expected")]);
  });

  test("a policy learned from another table, or a model, is not overwritten", async () => {
    const files = ["policy.json", "policy.safetensors"].map((name) => join(out, name));
    const bytes = files.map((file) => readFileSync(file));
    const other = await earlyexit("learn", "--table", at("same.safetensors"), "--cost", at("costs.json"), "--out", out);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("learned from another table.safetensors")]);
    const model = await earlyexit(...table, ...SHORT, "--out", run);
    expect([model.code, model.stderr]).toEqual([2, expect.stringContaining(`found the model in ${run}; choose`)]);
    expect(files.map((file) => readFileSync(file))).toEqual(bytes);
  });

  test("as text, with the costs of a file", async () => {
    const held = ["--test-table", at("test.safetensors"), "--cost", at("costs.json"), "--out", at("priced")];
    const outcome = await earlyexit(...table, ...held, ...SHORT);
    expect(outcome.stderr).toContain("1 units, 2 units, 3 units, 50 units");
    expect(outcome.stdout).toContain("test.safetensors, test split: 500 images");
    expect(outcome.stdout).toContain("threshold on confidence");
    expect(outcome.stdout).toContain("cost (units)");
    expect(outcome.stdout).toContain("of 50 units in full");
    expect(outcome.stdout).not.toContain("MACs");
    expect(json(join(at("priced"), "policy.json")).policy.costs.exitMacs).toEqual([1, 2, 3, 50]);
  });

  test("learning on from the policy folder: taken where it is better, and said so", async () => {
    const before = json(join(out, "policy.json"));
    const further = ["learn", "--model", out, "--continue", "--steps", "800", "--feedback"];
    const outcome = await earlyexit(...further, at("shifted.safetensors"));
    expect(outcome.stdout).toMatch(/images: 800 learned from, 200 selected on, 1,000 to judge/);
    expect(outcome.stdout).toMatch(
      /95% interval \+[\d.]+ to \+[\d.]+ \(paired bootstrap over images\)\nthe new policy is better/,
    );
    const after = json(join(out, "policy.json"));
    expect(after.policy.temperatures).not.toEqual(before.policy.temperatures);
    expect(after.figures).toBeUndefined(); // they were those of the old one
    expect(after.policy.costUnit).toBe("mJ");
  });

  test("and left as it was where it is not", async () => {
    const files = ["policy.json", "policy.safetensors", "validation.safetensors"].map((name) =>
      join(at("priced"), name),
    );
    const bytes = files.map((file) => readFileSync(file));
    const further = ["learn", "--model", at("priced"), "--continue", "--steps", "1", "--json", "--feedback"];
    const outcome = await earlyexit(...further, at("same.safetensors"));
    const judgement = JSON.parse(outcome.stdout);
    expect(judgement).toMatchObject({ better: false, images: { learn: 160, select: 40, judge: 200 } });
    expect(judgement.interval[0]).toBeLessThanOrEqual(0);
    expect(files.map((file) => readFileSync(file))).toEqual(bytes);
  });
});

describe("for a network", () => {
  const learn = ["learn", "--model", run, "--data", data, ...SHORT];

  test("--cost latency measures each stage here, in rising milliseconds", async () => {
    const outcome = await earlyexit(...learn, "--cost", "latency");
    expect(outcome.stderr).toMatch(
      /costs of the exits: [\d.]+ ms, [\d.]+ ms, [\d.]+ ms; without early exit: [\d.]+ ms/,
    );
    expect(outcome.code).toBe(0);
    const { costs, costUnit } = json(join(run, "model.json")).policy;
    expect(costUnit).toBe("ms");
    expect(costs.exitMacs[0]).toBeGreaterThan(0);
    expect(costs.exitMacs[1]).toBeGreaterThan(costs.exitMacs[0]);
    expect(costs.exitMacs[2]).toBeGreaterThan(costs.exitMacs[1]);
    expect(costs.fullMacs).toBeLessThan(costs.exitMacs[2]); // one session, no heads on the way, no decisions
    const budget = (value: string) =>
      earlyexit("evaluate", "--model", run, "--data", data, "--json", "--budget", value);
    expect((await budget("1000")).stderr).toMatch(/lambda [\d.]+ meets it on validation: accuracy [\d.]+%, [\d.]+ ms,/);
    expect((await budget("1e-9")).stderr).toMatch(/budget: at least [\d.]+ ms expected/);
    const { stdout } = await earlyexit("evaluate", "--model", run, "--data", data, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ costUnit: "ms", costMacs: { full: costs.fullMacs } });
  });

  test("--cost FILE and --cost macs", async () => {
    writeFileSync(at("energy.json"), "[0.5, 0.75, 2]");
    expect((await earlyexit(...learn, "--cost", at("energy.json"), "--cost-unit", "cents")).stderr).toContain(
      "2 cents",
    );
    const priced = json(join(run, "model.json")).policy;
    expect(priced).toMatchObject({ costUnit: "cents", costs: { exitMacs: [0.5, 0.75, 2], fullMacs: 2 } });
    await earlyexit(...learn);
    const counted = json(join(run, "model.json")).policy;
    expect(counted.costUnit).toBe("MACs");
    expect(Number.isInteger(counted.costs.fullMacs)).toBe(true);
  });

  test("learning on from images, which must be new ones", async () => {
    const further = ["learn", "--model", run, "--continue", ...SHORT, "--json", "--feedback"];
    writeImages(at("new"), 300, 50);
    const outcome = await earlyexit(...further, at("new"));
    expect(JSON.parse(outcome.stdout).images).toEqual({ learn: 120, select: 30, judge: 150 });
    const refused = await earlyexit(...further, data);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("feedback: new images expected, found those of");
  });
});

describe("the user's mistakes: exit code 2 and one line that says what to do", () => {
  const table = at("table.safetensors");
  test.each([
    [[], /--model or --table expected, found neither/],
    [["--model", run, "--table", table], /found both/],
    [
      ["--table", "/nowhere.safetensors"],
      /\/nowhere\.safetensors: a file that can be read expected, found nothing there/,
    ],
    [["--table", at("test.safetensors")], /costs \[4\] expected, found none; write them, or give --cost FILE/],
    [["--table", table, "--cost", "latency"], /a file with one cost per exit expected, found latency/],
    [["--table", table, "--json"], /--test-table with --table and --json expected, found none/],
    [["--table", table, "--test-table", at("network.json")], /not a safetensors file/],
    [["--model", run, "--cost", at("network.json"), "--data", data], /each larger than the one before, expected/],
    [["--model", run, "--cost", at("four.json"), "--data", data], /3 costs, one per exit, expected, found 4/],
    [["--model", run, "--cost-unit", "mJ"], /macs and latency have units of their own/],
    [["--model", run, "--continue"], /--feedback with --continue expected, found none/],
    [["--model", run, "--feedback", table], /--continue with --feedback expected/],
    [["--model", run, "--continue", "--feedback", table], /3 exits and 10 classes expected, found 4 and 10/],
    [["--model", "/nowhere", "--continue", "--feedback", table], /model folder with model\.json expected, found none/],
  ])("%j", async (args, message) => {
    writeFileSync(at("four.json"), "[1, 2, 3, 4]");
    const outcome = await earlyexit("learn", ...args);
    expect(outcome.code).toBe(2);
    const said = outcome.stderr.split("\n").filter((line) => line.startsWith("earlyexit: "));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(message);
    expect(outcome.stdout).toBe("");
  });
});
