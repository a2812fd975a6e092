/** The command line as a user meets it: the built command, in a process of its own. */
import { execFile, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawShape, SHAPE_CLASSES, SIDE } from "../../src/dataset/shape-drawing.ts";
import { loadModel, saveModel } from "../../src/model/model-folder.ts";
import { seededRandom } from "../../src/random.ts";
import { VERSION } from "../../src/version.ts";

const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "earlyexit-cli-"));
const data = join(folder, "data");
const run = join(folder, "run");

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function earlyexit(...args: string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [COMMAND, ...args], { maxBuffer: 1e8 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const failed = error as Outcome;
    return { code: failed.code, stdout: failed.stdout, stderr: failed.stderr };
  }
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

beforeAll(() => {
  mkdirSync(data);
  writeRecords(join(data, "data_batch_1.bin"), 1200, 1);
  writeRecords(join(data, "test_batch.bin"), 100, 2);
  writeFileSync(join(data, "batches.meta.txt"), `${SHAPE_CLASSES.join("\n")}\n`);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the main job", () => {
  test("run goes from images to figures, and --json prints one object and nothing else", async () => {
    const outcome = await earlyexit(
      "run",
      "--data",
      data,
      "--blueprint",
      "tiny",
      "--recipe",
      "quick",
      "--epochs",
      "2",
      "--out",
      run,
      "--json",
    );
    expect(outcome.stderr).toContain("learning the exit policy");
    expect(outcome.code).toBe(0);
    const figures = JSON.parse(outcome.stdout);
    expect(figures.samples).toBe(100);
    expect(figures.exits.map(({ exit }: { exit: number }) => exit)).toEqual([1, 2, 3, 4]);
    const shares = figures.exits.map(({ share }: { share: number }) => share);
    expect(shares.reduce((a: number, b: number) => a + b)).toBeCloseTo(1, 9);
    expect(figures.yardsticks.map(({ name }: { name: string }) => name)).toEqual([
      "dqn",
      "exit:1",
      "exit:2",
      "exit:3",
      "exit:4",
      "random",
      "patience",
      "threshold:confidence",
      "threshold:margin",
      "threshold:entropy",
      "optimal",
      "oracle",
    ]);
    expect(figures.accuracy).toBeGreaterThan(0.2); // ten classes: guessing gives 0.1
    expect(figures.version).toBe(VERSION);
  });

  test("the run folder holds config, metrics of every phase and the figures that were printed", async () => {
    const lines = readFileSync(join(run, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(["train", "learn", "evaluate"]));
    expect(lines.filter(({ kind }) => kind === "train").at(-1)).toMatchObject({ step: 32, steps: 32 });
    const origins = JSON.parse(readFileSync(join(run, "origin.json"), "utf8"));
    expect(origins.map(({ command }: { command: string }) => command)).toEqual([
      expect.stringMatching(/^earlyexit run .*--out \.\.\.\/run/),
    ]);
    expect(JSON.parse(readFileSync(join(run, "config.json"), "utf8"))).toMatchObject({
      seed: 1,
      blueprint: { name: "tiny" },
    });
    const { figures } = JSON.parse(readFileSync(join(run, "model.json"), "utf8"));
    expect(figures.samples).toBe(100);
    const { calibration, curves, confusions, ...rest } = JSON.parse(readFileSync(join(run, "evaluation.json"), "utf8"));
    expect(rest).toEqual(figures);
    expect(confusions.reduce((sum: number, { images }: { images: number }) => sum + images, 0)).toBe(100);
    expect([calibration.length, curves[0].name]).toEqual([4, "dqn"]);
    expect(readFileSync(join(run, "report.html"), "utf8")).toMatch(/"png":"data:image\/png;base64,/);
  });

  test("evaluate repeats the figures of run", async () => {
    const again = await earlyexit("evaluate", "--model", run, "--data", data, "--json");
    const { figures } = JSON.parse(readFileSync(join(run, "model.json"), "utf8"));
    const { curves, ...repeated } = JSON.parse(again.stdout);
    expect(repeated).toEqual(figures);
    expect(curves).toEqual(JSON.parse(readFileSync(join(run, "evaluation.json"), "utf8")).curves);
  });

  test("evaluate with a fixed exit sends every image there", async () => {
    const { stdout } = await earlyexit("evaluate", "--model", run, "--data", data, "--policy", "exit:2", "--json");
    const figures = JSON.parse(stdout);
    expect(figures.exits.map(({ share }: { share: number }) => share)).toEqual([0, 1, 0, 0]);
    expect(figures.accuracy).toBe(figures.exits[1].accuracyIfAlways);
  });

  test("evaluate within a budget says the lambda that meets it", async () => {
    const { calibration } = JSON.parse(readFileSync(join(run, "model.json"), "utf8")).policy;
    const budget = calibration[Math.floor(calibration.length / 2)].meanMacs / 1e6;
    const outcome = await earlyexit(
      "evaluate",
      "--model",
      run,
      "--data",
      data,
      "--budget-macs",
      String(budget),
      "--json",
    );
    expect(outcome.stderr).toMatch(/lambda [\d.]+ meets it on validation/);
    const first = calibration.find(({ meanMacs }: { meanMacs: number }) => meanMacs <= budget * 1e6);
    expect(JSON.parse(outcome.stdout).policy.lambda).toBe(first.lambda);
  });

  test("evaluate at a saving or an accuracy asked for, and at a lambda given", async () => {
    const { calibration } = JSON.parse(readFileSync(join(run, "model.json"), "utf8")).policy;
    const middle = calibration[Math.floor(calibration.length / 2)];
    const evaluate = ["evaluate", "--model", run, "--data", data, "--json"];
    const lambdaOf = async (...args: string[]): Promise<number> =>
      JSON.parse((await earlyexit(...evaluate, ...args)).stdout).policy.lambda;
    type Point = { lambda: number; savings: number; accuracy: number };
    const saving = calibration.find(({ savings }: Point) => savings >= middle.savings);
    const accurate = calibration.findLast(({ accuracy }: Point) => accuracy >= middle.accuracy);
    const lambdas = await Promise.all([
      lambdaOf("--budget-savings", String(100 * middle.savings - 1e-9)),
      lambdaOf("--min-accuracy", String(100 * middle.accuracy - 1e-9)),
      lambdaOf("--lambda", "0.5"),
    ]);
    expect(lambdas).toEqual([saving.lambda, accurate.lambda, 0.5]);
  });

  test("--save keeps the figures in the model", async () => {
    const copy = join(folder, "copy");
    cpSync(run, copy, { recursive: true });
    const path = join(copy, "model.json");
    const before = readFileSync(path, "utf8");
    const { figures, ...without } = await loadModel(copy);
    await saveModel(copy, without);
    expect(readFileSync(path, "utf8")).not.toBe(before);
    const outcome = await earlyexit("evaluate", "--model", copy, "--data", data, "--save");
    expect(outcome.stdout).toContain("threshold on margin");
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(figures).toMatchObject({ samples: 100 });
  });

  test("classify reads JPEG, PNG and WebP", async () => {
    const pixels = drawShape(0, 0, seededRandom(9)); // [3, 32, 32]
    const interleaved = Uint8Array.from(
      { length: pixels.length },
      (_, i) => pixels[(i % 3) * SIDE * SIDE + Math.floor(i / 3)]!,
    );
    const image = sharp(interleaved, { raw: { width: SIDE, height: SIDE, channels: 3 } });
    const files = ["jpg", "png", "webp"].map((extension) => join(folder, `picture.${extension}`));
    for (const file of files) await image.toFile(file);
    const outcome = await earlyexit("classify", "--model", run, ...files);
    expect(outcome.code).toBe(0);
    const lines = outcome.stdout.trim().split("\n");
    expect(lines).toHaveLength(4);
    for (const line of lines.slice(0, 3))
      expect(line).toMatch(/: \w+ \([\d.]+%\), exit [1-4] of 4, [\d.]+ M MACs, [\d.]+ ms \+ [\d.]+ to read$/);
    expect(lines[3]).toContain("always one of circle,");
    const json = await earlyexit("classify", "--model", run, files[0]!, "--json");
    const [told] = JSON.parse(json.stdout).images;
    expect(told.label).toBe(lines[0]!.split(": ")[1]!.split(" ")[0]);
    expect(told.exit).toBe(Number(/exit (\d) of 4/.exec(lines[0]!)![1]));
    expect(told.trace.map(({ exit }: { exit: number }) => exit)).toEqual([1, 2, 3, 4].slice(0, told.exit));
    for (const { probabilities } of [told, ...told.trace])
      expect(probabilities.reduce((a: number, b: number) => a + b)).toBeCloseTo(1, 5); // a list
  });
});

describe("training, interrupted", () => {
  const options = ["train", "--data", data, "--blueprint", "tiny", "--recipe", "quick", "--epochs", "3"];

  test("Ctrl-C saves a checkpoint; --resume ends with the same bytes as an uninterrupted training", async () => {
    const [whole, parts] = [join(folder, "whole"), join(folder, "parts")];
    const outcome = await earlyexit(...options, "--out", whole);
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toContain(`next: earlyexit learn --model ${whole} --data ${data}\n`);
    const child = spawn(process.execPath, [COMMAND, ...options, "--out", parts], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    let interrupted = false;
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
      if (!interrupted && stderr.includes("step 1/")) interrupted = child.kill("SIGINT");
    });
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect(code, stderr).toBe(130);
    expect(stderr).toContain("--resume");
    const resumed = await earlyexit(...options, "--out", parts, "--resume");
    expect(resumed.stderr).toMatch(/from step \d+/);
    expect(readFileSync(join(parts, "network.safetensors"))).toEqual(readFileSync(join(whole, "network.safetensors")));
  });

  test("a run is never overwritten, and --json says what was trained", async () => {
    const folder = join(run, "..", "whole");
    const again = await earlyexit(...options, "--out", folder);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/out: a new folder expected, found a run/);
    const trained = await earlyexit(...options.slice(0, -1), "0.2", "--out", `${folder}-json`, "--json");
    expect(JSON.parse(trained.stdout)).toMatchObject({ seed: 1, blueprint: { name: "tiny" }, version: VERSION });
    const learned = await earlyexit("learn", "--model", `${folder}-json`, "--data", data, "--steps", "20", "--json");
    expect(JSON.parse(learned.stdout).costs.exitMacs).toHaveLength(4);
  });

  test("a run is known by what it is: options are its own, data may be spelled otherwise, more epochs asked for", async () => {
    const whole = join(folder, "whole");
    const outcome = await earlyexit(
      "train",
      "--resume",
      "--out",
      whole,
      "--data",
      `${data}/../data/.`,
      "--epochs",
      "3.25",
    );
    expect(outcome.stderr).toMatch(/from step \d+/);
    expect(outcome.code).toBe(0);
    expect(JSON.parse(readFileSync(join(whole, "config.json"), "utf8"))).toMatchObject({
      recipe: { epochs: 3.25 },
      blueprint: { name: "tiny" },
    });
  });

  test("--resume with other options or other data is refused", async () => {
    const out = join(folder, "whole");
    const seed = await earlyexit("train", "--resume", "--out", out, "--seed", "2");
    expect(seed.code).toBe(2);
    expect(seed.stderr).toMatch(/resume: the data that the run was begun with expected|resume: .*"seed": 1.*"seed": 2/); // another seed, another split
    const other = join(folder, "other-data");
    mkdirSync(other);
    writeRecords(join(other, "data_batch_1.bin"), 1200, 7);
    writeRecords(join(other, "test_batch.bin"), 100, 2);
    writeFileSync(join(other, "batches.meta.txt"), `${SHAPE_CLASSES.join("\n")}\n`);
    const moved = await earlyexit("train", "--resume", "--out", out, "--data", other);
    expect(moved.code).toBe(2);
    expect(moved.stderr).toMatch(
      /resume: the data that the run was begun with expected \(train: SHA-256 [0-9a-f]{12}\.\.\.\), found/,
    );
  });
});

describe("the user's mistakes: exit code 2 and one line that says what to do", () => {
  test.each([
    [["evaluate", "--model", "/nowhere"], /model folder with model\.json expected, found none; train one/],
    [["run", "--data", "/nowhere"], /\/nowhere/],
    [["run", "--epochs", "many"], /--epochs: a number .* expected, found many/],
    [["run", "--device", "abacus"], /device: cpu, webgpu, cuda expected, found abacus/],
    [
      ["run", "--blueprint", "huge"],
      /blueprint: classic, compact, tiny, resnet, mobile or a JSON file expected, found huge/,
    ],
    [["run", "--recipe", "cake"], /recipe: .* expected, found cake/],
    [["run", "--config", "/nowhere.json"], /\/nowhere\.json: a file that can be read expected, found nothing there/],
    [["classify", "--model", run, "/nowhere.jpg"], /nowhere\.jpg/],
    [["evaluate", "--model", run, "--data", data, "--policy", "guess"], /policy: dqn, .* expected, found guess/],
    [["evaluate", "--model", run, "--data", data, "--lambda", "50"], /lambda: .* expected .*, found 50/],
    [
      ["evaluate", "--model", run, "--data", data, "--min-accuracy", "100"],
      /accuracy: at most .* expected .*, found 100/,
    ],
    [["evaluate", "--model", run], /--data/],
    [
      ["evaluate", "--model", run, "--data", data, "--policy", "exit:2", "--save"],
      /evaluate: --save without --policy,/,
    ],
    [
      ["evaluate", "--model", run, "--data", data, "--policy", "threshold", "--budget-macs", "9"],
      /evaluate: no --policy with a budget or an accuracy expected, found threshold; .*give --lambda/,
    ],
    [["evaluate", "--model", run, "--data", data, "--table", "x.safetensors"], /--table without --data/],
    [
      ["evaluate", "--model", run, "--data", data, "--budget-savings", "99.99"],
      /savings: at most .* expected .*, found 99/,
    ],
  ])("%j", async (args, message) => {
    const outcome = await earlyexit(...args);
    expect(outcome.code).toBe(2);
    const said = outcome.stderr.split("\n").filter((line) => line.startsWith("earlyexit: "));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(message);
    expect(outcome.stderr).not.toContain("    at ");
    expect(outcome.stdout).toBe("");
  });

  test("an unknown option or command is refused by name", async () => {
    const [option, command] = await Promise.all([earlyexit("run", "--fast"), earlyexit("walk")]);
    expect([option.code, command.code]).toEqual([2, 2]);
    expect(option.stderr).toContain("--fast");
    expect(command.stderr).toContain("walk");
  });
});

test("--version and --help", async () => {
  expect((await earlyexit("--version")).stdout.trim()).toBe(VERSION);
  const { stdout, code } = await earlyexit("--help");
  expect(code).toBe(0);
  for (const command of ["run", "train", "learn", "evaluate", "classify", "export", "report", "ui", "data", "network"])
    expect(stdout).toContain(`  ${command} `);
});
