/** The stage files, driven as a program in any language would: by what the manifest says and nothing else. */
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { buildExport } from "../../src/export/build.ts";
import { compareAnswers } from "../../src/export/check.ts";
import type { Manifest } from "../../src/export/manifest.ts";
import { type Answer, openFile, runStages } from "../../src/export/run-files.ts";
import { AdaptiveClassifier, type AdaptiveClassifier as Classifier } from "../../src/inference/adaptive-classifier.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { STANDARD_OPERATORS } from "../graph/operators.ts";
import { EXITS, handMadeAgent, modelOf, wavyPixels } from "../inference/small.ts";

const COUNT = 200;
const runtime = createNodeRuntime({ threads: 1 });
const pixels = wavyPixels(COUNT, 5);
const model = modelOf(handMadeAgent({ scale: 1.6, seed: 8, biases: [1, 0] }));

async function expectedAt(lambda: number): ReturnType<Classifier<Uint8Array>["classifyPixels"]> {
  const classifier = await AdaptiveClassifier.create(runtime, model, async (one: Uint8Array) => one);
  classifier.lambda = lambda;
  const answers = await classifier.classifyPixels(pixels);
  await classifier.close();
  return answers;
}

function rowsOf({ data, dims }: ort.Tensor, wanted: readonly number[]): ort.Tensor {
  const width = dims.slice(1).reduce((a, b) => a * b, 1);
  const rows = wanted.map((row) => [...(data as Float32Array).subarray(row * width, (row + 1) * width)]);
  return new ort.Tensor("float32", Float32Array.from(rows.flat()), [wanted.length, ...dims.slice(1)]);
}

/** Only what goes on is handed on. @returns answers, and how many images each stage has computed */
async function drive(manifest: Manifest, files: ReadonlyMap<string, Uint8Array>, bytes: Uint8Array, lambda: number) {
  const [channels, height, width] = manifest.image.shape as [number, number, number];
  const count = bytes.length / (channels * height * width);
  const answers: Answer[] = [];
  const computed: number[] = [];
  let rows = Array.from({ length: count }, (_, i) => i);
  let given: Record<string, ort.Tensor> = {
    image: new ort.Tensor("float32", Float32Array.from(bytes), [count, channels, height, width]),
  };
  for (const [k, { file, inputs, outputs }] of manifest.files.entries()) {
    if (rows.length === 0) break;
    computed.push(rows.length);
    const session = await ort.InferenceSession.create(files.get(file)!, { intraOpNumThreads: 1 });
    const scalar = new ort.Tensor("float32", Float32Array.of(lambda), []);
    const feeds = inputs.map(({ name, from }) => [name, name === "lambda" ? scalar : given[from ?? name]!] as const);
    const results = await session.run(Object.fromEntries(feeds));
    expect(Object.keys(results).sort()).toEqual(outputs.map(({ name }) => name).sort());
    for (const { name, shape } of outputs)
      expect(results[name]!.dims).toEqual(shape.map((size) => (size === "B" ? rows.length : size)));
    const [exitNow, probabilities] = [results.exit_now!.data as Float32Array, results.probabilities!];
    const goOn: number[] = [];
    rows.forEach((image, row) => {
      const own = rowsOf(probabilities, [row]).data as Float32Array;
      if (exitNow[row] !== 1) goOn.push(row);
      else answers[image] = { classIndex: own.indexOf(Math.max(...own)), probabilities: own, exit: k + 1 };
    });
    rows = goOn.map((row) => rows[row]!);
    if (rows.length > 0)
      given = Object.fromEntries(
        Object.entries(results)
          .filter(([name]) => name.startsWith("next_"))
          .map(([name, values]) => [name, rowsOf(values, goOn)]),
      );
    await session.release();
  }
  return { answers, computed };
}

describe("any batch", () => {
  test("following the manifest gives the classifier's answers and computes no more stages", async () => {
    const { manifest, files } = await buildExport(model, { to: "stages" });
    let stages = 0;
    for (const lambda of [0.01, 0.1, 1]) {
      const expected = await expectedAt(lambda);
      const { answers, computed } = await drive(manifest, files, pixels, lambda);
      const report = compareAnswers(expected, answers, manifest, lambda);
      expect(report).toMatchObject({ different: 0 });
      expect(report.largestDifference).toBeLessThan(1e-5);
      const reached = [0, 1, 2].map((k) => expected.filter(({ exit }) => exit > k).length);
      expect(computed).toEqual(reached.filter((count) => count > 0));
      stages = Math.max(stages, computed.length);
    }
    expect(stages).toBe(EXITS);
  });

  test("the manifest says what flows, of which type and shape", async () => {
    const { manifest } = await buildExport(model, { to: "stages" });
    expect(manifest.batch).toBeNull();
    const shapes = (list: Manifest["files"][number]["inputs"]) =>
      Object.fromEntries(list.map(({ name, shape, from }) => [name, from ? [...shape, from] : [...shape]]));
    expect(manifest.files.map(({ file, inputs, outputs }) => [file, shapes(inputs), shapes(outputs)])).toEqual([
      [
        "stage-1.onnx",
        { image: ["B", 2, 8, 8], lambda: [] },
        {
          probabilities: ["B", 4],
          exit_now: ["B", 1],
          q: ["B", 2],
          next_features: ["B", 6, 4, 4],
          next_log_probabilities: ["B", 4],
          next_history: ["B", 4],
          next_top_class: ["B", 1],
        },
      ],
      [
        "stage-2.onnx",
        {
          features: ["B", 6, 4, 4, "next_features"],
          log_probabilities: ["B", 4, "next_log_probabilities"],
          history: ["B", 4, "next_history"],
          top_class: ["B", 1, "next_top_class"],
          lambda: [],
        },
        {
          probabilities: ["B", 4],
          exit_now: ["B", 1],
          q: ["B", 2],
          next_features: ["B", 6, 4, 4],
          next_log_probabilities: ["B", 4],
        },
      ],
      [
        "stage-3.onnx",
        {
          features: ["B", 6, 4, 4, "next_features"],
          log_probabilities: ["B", 4, "next_log_probabilities"],
        },
        { probabilities: ["B", 4], exit_now: ["B", 1] },
      ],
    ]);
    for (const { operators } of manifest.files)
      expect(operators.filter((one) => ![...STANDARD_OPERATORS, "TopK"].includes(one))).toEqual([]);
  });
});

describe("a fixed batch", () => {
  test.each([1, 7])("of %i: the same answers; any other number of images is refused", async (batch) => {
    const { manifest, files } = await buildExport(model, { to: "stages", batch });
    expect(manifest.batch).toBe(batch);
    const first = manifest.files[0]!;
    expect(first.inputs.find(({ name }) => name === "image")!.shape).toEqual([batch, 2, 8, 8]);
    const open = await Promise.all(manifest.files.map((one) => openFile(runtime, one, files.get(one.file)!)));
    const found = await runStages(open, pixels, 0.1); // 200 images: the last 7 are not full
    expect(found).toHaveLength(COUNT);
    const report = compareAnswers(await expectedAt(0.1), found, manifest, 0.1);
    expect(report.different).toBe(0);
    expect(report.exits.filter((count) => count > 0)).toHaveLength(EXITS);
    const wrong = runtime.tensor(new Float32Array((batch + 1) * 128), [batch + 1, 2, 8, 8]);
    const lambda = runtime.tensor(Float32Array.of(0.1), []);
    await expect(open[0]!.session.run({ image: wrong, lambda })).rejects.toThrow(/image/);
    for (const { session } of open) await session.release();
  });
});
