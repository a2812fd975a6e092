import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { encodeSafetensors } from "../../src/files/safetensors.ts";
import { writeFileSafely } from "../../src/model/model-folder.ts";
import { freeFolder, openRunFolder } from "../../src/model/run-folder.ts";
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
    await begun.saveCheckpoint({ step: 1, variables });
    const resumed = await openRunFolder(folder, structuredClone(config), true);
    resumed.log({ step: 2 });
    expect((await resumed.loadCheckpoint())!.step).toBe(1);
    expect(await readFile(join(folder, "metrics.jsonl"), "utf8")).toBe('{"step":1}\n{"step":2}\n');
  });

  test("never starts afresh over a run: everything stays as it was", async () => {
    const before = await openRunFolder(folder, config, false);
    before.log({ step: 1 });
    await before.saveCheckpoint({ step: 1, variables });
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
    await openRunFolder(folder, config, false);
    const other = { ...config, recipe: { ...config.recipe, epochs: 3 } };
    const resumed = openRunFolder(folder, other, true);
    await expect(resumed).rejects.toThrow(UserError);
    await expect(resumed).rejects.toThrow(
      `resume: the options that ${folder} was begun with expected ("epochs": 2,), found "epochs": 3,;`,
    );
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual(config);
  });

  test("refuses to go on where nothing was begun", async () => {
    const resumed = openRunFolder(join(folder, "new"), config, true);
    await expect(resumed).rejects.toThrow(UserError);
    await expect(resumed).rejects.toThrow("resume: a run folder expected, found no config.json in");
  });
});

describe("a checkpoint", () => {
  test("comes back bit by bit, the newest one, and no temporary file is left", async () => {
    const run = await openRunFolder(folder, config, false);
    expect(await run.loadCheckpoint()).toBeNull();
    await run.saveCheckpoint({ step: 3, variables: new Map() });
    await run.saveCheckpoint({ step: 123_456, variables });
    expect(await run.loadCheckpoint()).toEqual({ step: 123_456, variables }); // tells 0 from -0
    expect((await everyFile()).sort()).toEqual(["config.json", "metrics.jsonl", "state.safetensors"]);
  });

  test("that could not be written whole leaves the older one", async () => {
    const run = await openRunFolder(folder, config, false);
    await run.saveCheckpoint({ step: 3, variables });
    await writeFile(join(folder, "checkpoint", "state.safetensors.tmp"), "half of it"); // as a crash leaves it
    expect(await run.loadCheckpoint()).toEqual({ step: 3, variables });
    await run.saveCheckpoint({ step: 4, variables });
    expect((await run.loadCheckpoint())!.step).toBe(4);
    expect((await everyFile()).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("that is damaged is the user's mistake", async () => {
    const run = await openRunFolder(folder, config, false);
    const path = join(folder, "checkpoint", "state.safetensors");
    const stepless = encodeSafetensors(variables);
    for (const [bytes, message] of [
      [stepless, `${path}: a checkpoint expected, found no step in it`],
      [stepless.subarray(0, -1), `${path}: `],
      ["", `${path}: at least 8 bytes expected, found 0`],
    ] as const) {
      await writeFile(path, bytes);
      const loading = run.loadCheckpoint();
      await expect(loading).rejects.toThrow(UserError);
      await expect(loading).rejects.toThrow(message);
    }
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

describe("writeFileSafely", () => {
  test("replaces a file and leaves nothing beside it", async () => {
    const path = join(folder, "a.txt");
    await writeFileSafely(path, "a long first text");
    await writeFileSafely(path, Uint8Array.of(104, 105));
    expect(await readFile(path, "utf8")).toBe("hi");
    expect(await everyFile()).toEqual(["a.txt"]);
  });

  test("that fails leaves the file as it was", async () => {
    const path = join(folder, "a.txt");
    await writeFileSafely(path, "old");
    await expect(writeFileSafely(join(folder, "nowhere", "a.txt"), "new")).rejects.toThrow("ENOENT");
    expect(await readFile(path, "utf8")).toBe("old");
  });
});
