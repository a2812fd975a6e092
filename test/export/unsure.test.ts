/** Files that say where no class is to be named: what they say is what the classifier says. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkPictures, compareAnswers } from "../../src/export/check.ts";
import { exportModel } from "../../src/export/export.ts";
import type { Manifest } from "../../src/export/manifest.ts";
import { openFile, runOneFile, runStages } from "../../src/export/run-files.ts";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import { loadModel } from "../../src/model/model-folder.ts";
import { pictureOf } from "../../src/network/staged-network.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-unsure-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const runtime = createNodeRuntime({ threads: 1 });
const model = await loadModel("shapes");
const pictures = checkPictures(pictureOf(model.network).shape, 40); // half of them noise, which no class is
const WANTED = 0.998;

describe.each(["onnx", "stages"] as const)("%s", (to) => {
  test("names a class where the classifier does", async () => {
    const out = join(folder, to);
    const { manifest } = await exportModel({ model, to, out, runtime, pictures, precise: WANTED });
    const precise = manifest.precise!;
    expect(precise).toMatchObject({ wanted: WANTED, lambda: manifest.lambda.recommended });
    expect(precise.precision).toBeGreaterThanOrEqual(WANTED);
    expect(JSON.parse(readFileSync(join(out, "manifest.json"), "utf8")).precise).toEqual(precise);
    const classifier = await AdaptiveClassifier.create(runtime, model, async (one: Uint8Array) => one, {
      precise: WANTED,
      lambda: precise.lambda,
    });
    const expected = await classifier.classifyPixels(pictures);
    await classifier.close();
    expect((await classifier.sureAnswers())!.least).toBe(precise.least);
    const open = await Promise.all(
      manifest.files.map((one) => openFile(runtime, one, readFileSync(join(out, one.file)))),
    );
    const found = await (to === "onnx" ? runOneFile : runStages)(open, pictures, precise.lambda);
    for (const { session } of open) await session.release();
    expect(found.map((one) => one!.unsure)).toEqual(expected.map(({ unsure }) => unsure)); // seeded, and no near tie among them
    const count = expected.filter(({ unsure }) => unsure).length;
    expect(count).toBeGreaterThan(5);
    expect(count).toBeLessThan(35);
    const readme = readFileSync(join(out, "README.md"), "utf8");
    expect(readme).toContain("`unsure` is 1 where the answer is less sure than");
    expect(readme).toMatch(/label = "unsure" if .*unsure.* else/);
  });
});

test("without a wish the files have no such output, and a class is always named", async () => {
  const { manifest } = await exportModel({ model, to: "onnx", out: join(folder, "off"), runtime, pictures });
  expect(manifest).not.toHaveProperty("precise");
  expect(manifest.files[0]!.outputs.map(({ name }) => name)).toEqual(["class", "probabilities", "exit", "cost"]);
  expect(readFileSync(join(folder, "off/README.md"), "utf8")).not.toContain("unsure");
});

test("a precision that no confidence gives, or that is none, is refused", async () => {
  const asked = (precise: number) =>
    exportModel({ model, to: "onnx", out: join(folder, "refused"), runtime, pictures, precise });
  await expect(asked(99)).rejects.toThrow("precise: a share above 0 and below 1 expected, found 99; 0.99 is 99%");
});

test("the check sees a file that names a class where none is to be named", () => {
  const precise = { wanted: 0.99, lambda: 0.1, least: 0.8, answered: 0.5, precision: 0.99 };
  const manifest: Pick<Manifest, "costs" | "precise"> = { costs: { exitMacs: [10], fullMacs: 10 }, precise };
  const at = (confidence: number, unsure: boolean) => {
    const probabilities = Float32Array.of(1 - confidence, confidence);
    const expected = { exit: 1, probabilities: [...probabilities], trace: [{ qExit: null, qContinue: null }] };
    return () => compareAnswers([expected], [{ classIndex: 1, probabilities, exit: 1, unsure }], manifest, 0.1);
  };
  expect(at(0.7, false)).toThrow(/unsure true at a confidence of 0\.69\d* expected .*, found false/);
  expect(at(0.9, true)).toThrow(/unsure false at a confidence of 0\.89\d* expected .*, found true/);
  expect(at(0.7, true)).not.toThrow();
  expect(at(0.80001, true)).not.toThrow(); // a near tie
});
