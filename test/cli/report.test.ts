/** `report`: what it shows, and what it says where something is missing. The network is random, the agent made by hand. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import type { Dataset } from "../../src/dataset/dataset.ts";
import { openDataset } from "../../src/dataset/open.ts";
import { drawShape, SHAPE_CLASSES } from "../../src/dataset/shape-drawing.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import type { Model } from "../../src/model/model.ts";
import { saveModel } from "../../src/model/model-folder.ts";
import { seededRandom } from "../../src/random.ts";
import type { ReportData } from "../../src/report/report-data.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { tinyModel } from "../inference/tiny-model.ts";
import { MADE_UP } from "../report/made-up-figures.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-report-"));
const images = join(folder, "images");
const run = join(folder, "run");
/** Of a machine that is busy with other things. */
const PATIENCE = 240_000;
let model: Model;

beforeAll(async () => {
  const data = await writeImages(images, 2);
  const { network, policy } = tinyModel();
  const dataset = { name: "drawings", sha256: { test: data.test.sha256 } };
  const known = { ...network, provenance: { ...network.provenance, dataset } };
  const validation = await computeExitTable(createNodeRuntime({ threads: 1 }), known, data.validation!);
  model = { network: known, policy: { ...policy, validation } };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(run, { recursive: true, force: true });
});

/** In the CIFAR-10 binary layout. */
async function writeImages(path: string, key: number): Promise<Dataset> {
  mkdirSync(path);
  for (const [file, count] of [
    ["data_batch_1.bin", 1200],
    ["test_batch.bin", 60],
  ] as const) {
    const records = new Uint8Array(count * 3073);
    for (let i = 0; i < count; i++) {
      records[i * 3073] = i % 10;
      records.set(drawShape(i % 10, 0.1, seededRandom(key, count, i)), i * 3073 + 1);
    }
    writeFileSync(join(path, file), records);
  }
  writeFileSync(join(path, "batches.meta.txt"), `${SHAPE_CLASSES.join("\n")}\n`);
  return openDataset(path);
}

function written(): ReportData {
  const html = readFileSync(join(run, "report.html"), "utf8");
  return JSON.parse(/id="report-data">(.*?)<\/script>/s.exec(html)![1]!);
}

const writeConfig = (data: string): void => writeFileSync(join(run, "config.json"), JSON.stringify({ data }));

describe("with the images at hand", () => {
  test("figures, curves and pictures; a model that changes takes them away", { timeout: PATIENCE }, async () => {
    await saveModel(run, model);
    writeConfig(images);
    expect(await runCli(["report", "--run", run])).toBe(0);
    const { evaluation, examples, missing, name, facts } = written();
    expect([name, missing]).toEqual(["run", []]);
    expect(facts).toContainEqual(["images", "drawings"]);
    expect(JSON.parse(readFileSync(join(run, "evaluation.json"), "utf8"))).toEqual(evaluation);
    expect(evaluation).toMatchObject({ samples: 60, policy: { name: "dqn", lambda: 0.1 } });
    const shown = examples!.map(({ pictures }) => pictures.length);
    expect(shown).toEqual(evaluation!.exits.map(({ share }) => Math.min(12, Math.round(60 * share))));
    expect(Math.max(...shown)).toBeGreaterThan(5);

    writeConfig(join(folder, "moved"));
    expect(await runCli(["report", "--run", run])).toBe(0);
    expect(written()).toMatchObject({ evaluation, examples: null }); // what was found out when they were there
    await saveModel(run, { ...model, figures: MADE_UP });
    expect(existsSync(join(run, "evaluation.json"))).toBe(true);
    await saveModel(run, model);
    expect(existsSync(join(run, "evaluation.json"))).toBe(false);
  });
});

describe("what is missing is said, and the report is written without it", () => {
  test("images that are not where they were", async () => {
    await saveModel(run, { ...model, figures: MADE_UP });
    writeConfig(join(folder, "moved"));
    expect(await runCli(["report", "--run", run])).toBe(0);
    const { evaluation, examples, missing } = written();
    expect(evaluation).toEqual(MADE_UP);
    expect(examples).toBeNull();
    expect(missing).toHaveLength(1);
    expect(missing[0]).toMatch(/^No example pictures: .*moved.*; give the images of drawings by --data PATH or/);
    expect(said.join("")).toContain(missing[0]);
  });

  test("a run that does not say where its images are", async () => {
    await saveModel(run, model);
    expect(await runCli(["report", "--run", run])).toBe(0);
    expect(written()).toMatchObject({ evaluation: null, examples: null });
    expect(written().missing[0]).toContain("the run does not say where its images are");
  });

  test("other images in their place", async () => {
    await saveModel(run, model);
    const others = join(folder, "others");
    if (!existsSync(others)) await writeImages(others, 3);
    writeConfig(others);
    expect(await runCli(["report", "--run", run])).toBe(0);
    expect(written().missing[0]).toMatch(/test images that the network was made with expected .*, found others/);
    expect(written().evaluation).toBeNull();
    expect(await runCli(["report", "--run", run, "--data", others])).toBe(2);
  });

  test("a policy, a network", async () => {
    await saveModel(run, { ...model, policy: null });
    expect(await runCli(["report", "--run", run])).toBe(0);
    expect(written().missing).toEqual([
      `No evaluation: the network has no policy yet; run earlyexit learn --model ${run}.`,
    ]);
    rmSync(join(run, "model.json"));
    writeFileSync(join(run, "metrics.jsonl"), '{"kind":"train"}\n');
    expect(await runCli(["report", "--run", run])).toBe(0);
    expect(written()).toMatchObject({ facts: [], metrics: '{"kind":"train"}\n', evaluation: null });
  });
});

test("a folder that is no run is refused, and nothing is written", async () => {
  mkdirSync(run);
  expect(await runCli(["report", "--run", run])).toBe(2);
  expect(said.join("")).toMatch(/report: a run folder with metrics\.jsonl or model\.json expected, found neither in/);
  expect(existsSync(join(run, "report.html"))).toBe(false);
});
