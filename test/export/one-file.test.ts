/** The file that exits by itself, in ONNX Runtime for Node and for the web. */
import type { InferenceSession } from "onnxruntime-common";
import * as ortWeb from "onnxruntime-web";
import { afterAll, describe, expect, test } from "vitest";
import { checkPictures, compareAnswers } from "../../src/export/check.ts";
import { describeExport, type FileDescription } from "../../src/export/manifest.ts";
import { buildOneFile } from "../../src/export/one-file.ts";
import { type Answer, openFile, runOneFile } from "../../src/export/run-files.ts";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import type { Model } from "../../src/model/model.ts";
import { type BlueprintNetwork, blueprintNetwork } from "../../src/network/blueprint-network.ts";
import type { NamedArray } from "../../src/network/weights.ts";
import type { Agent } from "../../src/policy/agent.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { STANDARD_OPERATORS } from "../graph/operators.ts";
import { CLASSES, EXITS, handMadeAgent, IMAGE_SIZE, modelOf, network, wavyPixels } from "../inference/small.ts";
import { weightsOf } from "../network/small.ts";

const COUNT = 200;
const LAMBDAS = [0.01, 0.05, 0.1, 0.37, 1];
const runtime = createNodeRuntime({ threads: 1 });
const pixels = wavyPixels(COUNT, 5);

/** An agent whose exits are mixed. */
const mixed = handMadeAgent({ scale: 1.6, seed: 8, biases: [1, 0] });

const open: InferenceSession[] = [];
afterAll(async () => {
  for (const session of open) await session.release();
});

async function openModel({ network, policy }: Model) {
  const { bytes, description } = await buildOneFile(network, policy!, {});
  const file = await openFile(runtime, description, bytes);
  open.push(file.session);
  return file;
}

async function classifierAnswers(model: Model, lambda: number) {
  const classifier = await AdaptiveClassifier.create(runtime, model, async (one: Uint8Array) => one);
  classifier.lambda = lambda;
  const answers = await classifier.classifyPixels(pixels);
  await classifier.close();
  return answers;
}

const manifestOf = (model: Model, description: FileDescription) =>
  describeExport(model.network, model.policy!, {
    target: "onnx",
    batch: 1,
    lambda: 0.1,
    opset: 20,
    files: [{ bytes: new Uint8Array(), description }],
  });

describe.each([
  ["plain", mixed],
  ["dueling", handMadeAgent({ dueling: true, scale: 1.6, biases: [0.6, 0], seed: 12 })],
])("%s agent", (_, agent) => {
  test(`says what the classifier says, of ${COUNT} images at each lambda`, async () => {
    const model = modelOf(agent);
    const file = await openModel(model);
    const seen = new Set<number>();
    for (const lambda of LAMBDAS) {
      const expected = await classifierAnswers(model, lambda);
      const found = await runOneFile([file], pixels, lambda);
      const report = compareAnswers(expected, found, manifestOf(model, file.description), lambda);
      expect(report.largestDifference).toBeLessThan(1e-5); // normalised inside: another rounding of the pixels
      expect(report.different).toBe(0); // seeded, and no near tie among them
      for (const [i, { exit, classIndex, costMacs }] of expected.entries()) {
        expect(found[i]).toMatchObject({ exit, classIndex, cost: costMacs });
        seen.add(exit);
      }
    }
    expect(seen.size).toBe(EXITS);
  });
});

test("a lambda outside the range counts as the nearest one inside", async () => {
  const file = await openModel(modelOf(mixed));
  for (const [outside, inside] of [
    [0, 0.01],
    [-1, 0.01],
    [50, 1],
  ] as const)
    expect(await runOneFile([file], pixels, outside)).toEqual(await runOneFile([file], pixels, inside));
  const [few, many] = [await runOneFile([file], pixels, 0.01), await runOneFile([file], pixels, 1)];
  expect(few.map(({ exit }) => exit)).not.toEqual(many.map(({ exit }) => exit)); // the dial does turn something
});

/** Weights of the stages from `first` on are no numbers. */
function spoiled(agent: Agent, first: number): Model {
  const model = modelOf(agent);
  const weights = new Map<string, NamedArray>(
    [...weightsOf(network)].map(([name, { shape, data }]) => [
      name,
      { shape, data: Number(name.split(".")[1]) >= first ? data.map(() => Number.NaN) : data },
    ]),
  );
  return { ...model, network: blueprintNetwork({ ...(network as BlueprintNetwork), weights }) };
}

describe("a stage behind the exit taken is not computed", () => {
  test.each([1, 2])("images that leave before stage %i do not see its weights", async (first) => {
    const [sound, broken] = [await openModel(modelOf(mixed)), await openModel(spoiled(mixed, first))];
    const [expected, found] = [await runOneFile([sound], pixels, 0.1), await runOneFile([broken], pixels, 0.1)];
    const early = expected.flatMap(({ exit }, i) => (exit <= first ? [i] : []));
    expect(early.length).toBeGreaterThan(10);
    expect(early.length).toBeLessThan(COUNT);
    for (const i of early) expect(found[i]).toEqual(expected[i]);
    const late = found.filter((_, i) => !early.includes(i));
    expect(late.every(({ probabilities }) => probabilities.every(Number.isNaN))).toBe(true);
  });
});

describe("what is refused", () => {
  const image = runtime.tensor(new Float32Array(IMAGE_SIZE), [1, 2, 8, 8]);
  const lambda = runtime.tensor(Float32Array.of(0.1), []);

  test("a batch, a missing lambda, a missing image", async () => {
    const { session } = await openModel(modelOf(mixed));
    const two = runtime.tensor(new Float32Array(2 * IMAGE_SIZE), [2, 2, 8, 8]);
    await expect(session.run({ image: two, lambda })).rejects.toThrow(/image/);
    await expect(session.run({ image })).rejects.toThrow(/lambda/);
    await expect(session.run({ lambda })).rejects.toThrow(/image/);
    expect(Object.keys(await session.run({ image, lambda })).sort()).toEqual([
      "class",
      "cost",
      "exit",
      "probabilities",
    ]);
  });
});

test("is made of standard operators, and has an If for every exit but the last", async () => {
  const { description, bytes } = await buildOneFile(network, modelOf(mixed).policy, {});
  const allowed = [...STANDARD_OPERATORS, "TopK", "ArgMax", "ArgMin", "If"];
  expect(description.operators.filter((one) => !allowed.includes(one))).toEqual([]);
  const text = Buffer.from(bytes).toString("latin1");
  expect(text.split("then_branch").length - 1).toBeGreaterThanOrEqual(EXITS - 1);
});

test("says the same in ONNX Runtime for the web, on wasm", async () => {
  const model = modelOf(mixed);
  const file = await openModel(model);
  const { bytes } = await buildOneFile(model.network, model.policy, {});
  ortWeb.env.wasm.numThreads = 1;
  const session = await ortWeb.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const found: Answer[] = [];
  for (let i = 0; i < COUNT; i++) {
    const image = Float32Array.from(pixels.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE));
    const results = await session.run({
      image: new ortWeb.Tensor("float32", image, [1, 2, 8, 8]),
      lambda: new ortWeb.Tensor("float32", Float32Array.of(0.1), []),
    });
    const whole = (name: string): number => Number((results[name]!.data as BigInt64Array)[0]);
    const probabilities = (results.probabilities!.data as Float32Array).slice();
    expect(probabilities).toHaveLength(CLASSES.length);
    found.push({ classIndex: whole("class"), probabilities, exit: whole("exit"), cost: whole("cost") });
  }
  await session.release();
  const report = compareAnswers(await classifierAnswers(model, 0.1), found, manifestOf(model, file.description), 0.1);
  expect(report.largestDifference).toBeLessThan(1e-5);
  expect(report.exits.every((count) => count > 0)).toBe(true);
});

test("pictures to check with: half of them drawn, half noise, of any shape", () => {
  const pictures = checkPictures([1, 20, 40], 6);
  expect(pictures).toHaveLength(6 * 800);
  const changes = (i: number): number => {
    const one = pictures.subarray(i * 800, (i + 1) * 800);
    return one.reduce((sum, value, at) => sum + Math.abs(value - one[Math.max(0, at - 1)]!), 0) / 800;
  };
  expect(changes(0)).toBeLessThan(20);
  expect(changes(5)).toBeGreaterThan(60); // the mean distance of two random bytes is 85
  expect(checkPictures([1, 20, 40], 6)).toEqual(pictures);
});
