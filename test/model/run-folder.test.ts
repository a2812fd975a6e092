import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { sealed } from "../../src/files/sealed.ts";
import { freeFolder, openRunFolder, type RunOrigin } from "../../src/model/run-folder.ts";
import { weightsOf } from "../network/small.ts";
import { recorder, train } from "../training/small.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "earlyexit-run-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const config = { seed: 1, recipe: { epochs: 2, name: "quick" } };

const DATA = { train: "aa", test: "bb" };

const variables = new Map([
  ["stages.0.layers.0.weight", { shape: [2, 2], data: Float32Array.of(1, -0, 1e-42, 3.4e38) }],
  ["adam.step", { shape: [], data: Float32Array.of(7) }],
]);

async function everyFile(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

describe("a run folder", () => {
  test("holds the config and one line of JSON for each thing logged", async () => {
    const run = await openRunFolder(folder, config, false);
    expect(run.path).toBe(folder);
    run.log({ kind: "train", step: 10, loss: 0.5 });
    run.log({ kind: "train", step: 20, note: "two\nlines" });
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual(config);
    const lines = (await readFile(join(folder, "metrics.jsonl"), "utf8")).split("\n");
    expect(lines.slice(0, -1).map((line) => JSON.parse(line) as unknown)).toEqual([
      { kind: "train", step: 10, loss: 0.5 },
      { kind: "train", step: 20, note: "two\nlines" },
    ]);
    expect(lines.at(-1)).toBe("");
  });

  test("goes on where it was: older lines and the checkpoint stay", async () => {
    const begun = await openRunFolder(folder, config, false);
    begun.log({ step: 1 });
    await begun.saveCheckpoint({ step: 1, data: DATA, variables, looks: [0.5, 0.25] });
    await begun.close();
    const resumed = await openRunFolder(folder, structuredClone(config), true);
    expect((await resumed.loadCheckpoint())!.looks).toEqual([0.5, 0.25]);
    resumed.log({ step: 2 });
    expect((await resumed.loadCheckpoint())!.step).toBe(1);
    expect(await readFile(join(folder, "metrics.jsonl"), "utf8")).toBe('{"step":1}\n{"step":2}\n');
  });

  test("tells nothing twice: lines of what is done again are left out, and a half one with them", async () => {
    const run = await openRunFolder(folder, config, false);
    for (const step of [10, 20, 30]) run.log({ kind: "train", step });
    run.log({ kind: "learn", step: 5 });
    await appendFile(join(folder, "metrics.jsonl"), '{"kind":"train","st');
    await run.keepMetrics(({ kind, step }) => kind === "train" && Number(step) <= 20);
    run.log({ kind: "train", step: 30 });
    expect(await readFile(join(folder, "metrics.jsonl"), "utf8")).toBe(
      [10, 20, 30].map((step) => `${JSON.stringify({ kind: "train", step })}\n`).join(""),
    );
  });

  test("never starts afresh over a run: everything stays as it was", async () => {
    const before = await openRunFolder(folder, config, false);
    before.log({ step: 1 });
    await before.saveCheckpoint({ step: 1, data: DATA, variables });
    await before.close();
    const again = openRunFolder(folder, { ...config, seed: 2 }, false);
    await expect(again).rejects.toThrow(UserError);
    await expect(again).rejects.toThrow(
      `out: a new folder expected, found a run or a model in ${folder}; give another`,
    );
    expect(await readFile(join(folder, "metrics.jsonl"), "utf8")).toBe('{"step":1}\n');
    const resumed = await openRunFolder(folder, config, true);
    expect((await resumed.loadCheckpoint())!.step).toBe(1);
  });

  test("a file in the way is the user's mistake", async () => {
    const file = join(folder, "file");
    await mkdir(folder, { recursive: true });
    await writeFile(file, "");
    await expect(openRunFolder(join(file, "run"), config, false)).rejects.toThrow(UserError);
  });

  test("the first free folder: the name itself, then numbered from 2", async () => {
    const base = join(folder, "runs", "a");
    expect(freeFolder(base)).toBe(base);
    await mkdir(base, { recursive: true });
    expect(freeFolder(base)).toBe(`${base}-2`);
    await mkdir(`${base}-2`);
    expect(freeFolder(base)).toBe(`${base}-3`);
  });

  test("refuses to go on with other options, and says which", async () => {
    await (await openRunFolder(folder, config, false)).close();
    const resumed = openRunFolder(folder, { ...config, seed: 2 }, true);
    await expect(resumed).rejects.toThrow(UserError);
    await expect(resumed).rejects.toThrow(
      `resume: the options that ${folder} was begun with expected ("seed": 1,), found "seed": 2,;`,
    );
  });

  test("goes on with data that lies elsewhere and with more epochs, and stores both; fewer are refused", async () => {
    await (await openRunFolder(folder, { ...config, data: "here" }, false)).close();
    const longer = { ...config, data: "there", recipe: { ...config.recipe, epochs: 3 } };
    await (await openRunFolder(folder, longer, true)).close();
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual(longer);
    await expect(openRunFolder(folder, config, true)).rejects.toThrow(
      `resume: at least 3 epochs expected, which ${folder} was begun with, found 2`,
    );
  });

  test("refuses to go on where nothing was begun", async () => {
    const resumed = openRunFolder(join(folder, "new"), config, true);
    await expect(resumed).rejects.toThrow(UserError);
    await expect(resumed).rejects.toThrow("resume: a run folder expected, found no config.json in");
    await mkdir(join(folder, "empty"));
    await expect(openRunFolder(join(folder, "empty"), config, true)).rejects.toThrow("found no config.json in");
    expect(await readdir(folder, { recursive: true })).toEqual(["empty"]);
  });

  test("one process at a time writes it", async () => {
    const first = await openRunFolder(folder, config, false);
    const second = openRunFolder(folder, config, true);
    await expect(second).rejects.toThrow(UserError);
    await expect(second).rejects.toThrow(
      `${folder}: a folder that no other process writes expected, found it written by process ${process.pid} (since `,
    );
    first.log({ step: 1 });
    await first.close();
    await (await openRunFolder(folder, config, true)).close();
    expect(await everyFile()).toEqual(["config.json", "metrics.jsonl"]);
  });

  test("a start that fails leaves none, and nothing that was there goes with it", async () => {
    const path = join(folder, "deep", "run");
    await (await openRunFolder(path, config, false)).giveUp();
    expect(await readdir(folder)).toEqual([]);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, "notes.txt"), "mine");
    await (await openRunFolder(path, config, false)).giveUp();
    expect(await everyFile()).toEqual(["notes.txt"]);
    const begun = await openRunFolder(path, config, false);
    begun.log({ step: 1 });
    await begun.giveUp(); // something was done: it stays
    expect((await everyFile()).sort()).toEqual(["config.json", "metrics.jsonl", "notes.txt"]);
  });

  test("keeps where it was begun and where it went on; a start that fails leaves nothing of that", async () => {
    const origin = (command: string): RunOrigin => ({
      command,
      commit: null,
      machine: { cpu: "a processor", cores: 2, memoryBytes: 1e9 },
      versions: { Node: "v20" },
      startedAt: "2026-01-01T00:00:00.000Z",
    });
    const commands = async (): Promise<string[]> =>
      JSON.parse(await readFile(join(folder, "origin.json"), "utf8")).map((one: RunOrigin) => one.command);
    await (await openRunFolder(folder, config, false, origin("given up"))).giveUp();
    await mkdir(folder, { recursive: true });
    expect(await everyFile()).toEqual([]);
    await (await openRunFolder(folder, config, false, origin("first"))).close();
    await (await openRunFolder(folder, config, true, origin("second"))).close();
    expect(await commands()).toEqual(["first", "second"]);
    await writeFile(join(folder, "origin.json"), "{}");
    await expect(openRunFolder(folder, config, true, origin("third"))).rejects.toThrow("origin.json: a list expected");
  });

  test("of a line that was cut off nothing is kept", async () => {
    const begun = await openRunFolder(folder, config, false);
    begun.log({ step: 1 });
    await begun.close();
    await appendFile(join(folder, "metrics.jsonl"), '{"step":2,"lo');
    const resumed = await openRunFolder(folder, config, true);
    resumed.log({ step: 2 });
    expect(await readFile(join(folder, "metrics.jsonl"), "utf8")).toBe('{"step":1}\n{"step":2}\n');
  });
});

describe("a checkpoint", () => {
  test("comes back bit by bit, the newest one, and no temporary file is left", async () => {
    const run = await openRunFolder(folder, config, false);
    expect(await run.loadCheckpoint()).toBeNull();
    await run.saveCheckpoint({ step: 3, data: DATA, variables: new Map() });
    await run.saveCheckpoint({ step: 123_456, data: DATA, variables });
    expect(await run.loadCheckpoint()).toEqual({ step: 123_456, data: DATA, variables }); // tells 0 from -0
    await run.close();
    expect((await everyFile()).sort()).toEqual([
      "checkpoint.json",
      "config.json",
      "metrics.jsonl",
      "state.safetensors",
    ]);
  });

  test("that could not be written whole leaves the older one, and the next one clears away what is left of it", async () => {
    const run = await openRunFolder(folder, config, false);
    await run.saveCheckpoint({ step: 3, data: DATA, variables });
    const staged = join(folder, "checkpoint", ".earlyexit-staged"); // as a crash leaves it
    await mkdir(staged);
    await writeFile(join(staged, "state.safetensors"), "half of it");
    expect(await run.loadCheckpoint()).toEqual({ step: 3, data: DATA, variables });
    await run.saveCheckpoint({ step: 4, data: DATA, variables });
    expect((await run.loadCheckpoint())!.step).toBe(4);
    expect((await readdir(join(folder, "checkpoint"))).sort()).toEqual(["checkpoint.json", "state.safetensors"]);
  });

  test("that is damaged is the user's mistake", async () => {
    const run = await openRunFolder(folder, config, false);
    await run.saveCheckpoint({ step: 3, data: DATA, variables });
    const [main, state] = ["checkpoint.json", "state.safetensors"].map((name) => join(folder, "checkpoint", name));
    const [text, bytes] = [await readFile(main!, "utf8"), await readFile(state!)];
    const flipped = Uint8Array.from(bytes, (byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
    for (const [path, changed, message] of [
      [state!, flipped, `${state}: SHA-256 `],
      [state!, bytes.subarray(0, -1), `${state}: ${bytes.length} bytes expected, found ${bytes.length - 1}`],
      [state!, "", `${state}: ${bytes.length} bytes expected, found 0`],
      [main!, text.replace('"step": 3', '"step": 4'), `${main}: contents with the SHA-256 that it names`],
      [main!, sealed({ format: 1, step: 3 }), `${main}: a checkpoint of this version expected`],
      [main!, "", `${main}: JSON expected, found "" (an empty file)`],
    ] as const) {
      await writeFile(path, changed);
      const loading = run.loadCheckpoint();
      await expect(loading).rejects.toThrow(UserError);
      await expect(loading).rejects.toThrow(message);
      await writeFile(main!, text);
      await writeFile(state!, bytes);
    }
    await rm(main!);
    await expect(run.loadCheckpoint()).rejects.toThrow("checkpoint.json and state.safetensors expected, found one");
  });

  test("continues a training from disk as if it had not stopped", async () => {
    const { checkpoints, options } = recorder();
    const uninterrupted = await train(options);
    const run = await openRunFolder(folder, config, false);
    await run.saveCheckpoint(checkpoints[4]!);
    const resumed = await train({ resumeFrom: await run.loadCheckpoint() });
    expect(weightsOf(resumed)).toEqual(weightsOf(uninterrupted));
  });
});
