/** The session that exits by itself: what it computes, and that it says what the sessions of single stages say. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ortWeb from "onnxruntime-web";
import { expect, test } from "vitest";
import { serialize } from "../../src/graph/onnx.ts";
import { AdaptiveClassifier, type Classification } from "../../src/inference/adaptive-classifier.ts";
import { firstFeeds, readPath } from "../../src/inference/classification.ts";
import { nestedGraph } from "../../src/inference/nested-exits.ts";
import { looksBack } from "../../src/inference/stage-programs.ts";
import { fixedExitAgent } from "../../src/policy/fixed-exit-agent.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { STANDARD_OPERATORS } from "../graph/operators.ts";
import { CLASSES, EXITS, handMadeAgent, IMAGE_SIZE, modelOf, network, wavyPixels } from "./small.ts";

const COUNT = 60;
const runtime = createNodeRuntime({ threads: 1 });
const pixels = wavyPixels(COUNT, 5);
const mixed = handMadeAgent({ scale: 2, seed: 7 });
const onward = handMadeAgent({ biases: [1000, 0] });
const image = (i: number): Uint8Array => pixels.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE);

/** The convolutions that ONNX Runtime says it ran, by its own profile. */
async function convolutionsRun(agent: typeof mixed): Promise<{ exit: number; convolutions: number }> {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-profile-"));
  const graph = nestedGraph(network, modelOf(agent).policy);
  const program = await Program.compile(runtime, graph, { profilePrefix: join(folder, "profile") });
  const { answers } = await program.run(firstFeeds(new Float32Array(IMAGE_SIZE).fill(0.3), 1, 0.1));
  await program.close(); // writes the profile
  const [file] = readdirSync(folder);
  const events = JSON.parse(readFileSync(join(folder, file!), "utf8")) as {
    name: string;
    args?: { op_name?: string };
  }[];
  rmSync(folder, { recursive: true });
  const convolutions = events.filter(
    ({ name, args }) => args?.op_name?.endsWith("Conv") && name.endsWith("_kernel_time"),
  );
  const told = { classes: CLASSES.length, looksBack: looksBack(modelOf(agent).policy) };
  return { exit: readPath(answers!, EXITS, told).at(-1)!.exit, convolutions: convolutions.length };
}

test("ONNX Runtime computes the convolutions of the stages up to the exit taken, and no other", async () => {
  const found = [];
  for (let exit = 0; exit < EXITS; exit++) found.push(await convolutionsRun(fixedExitAgent(mixed, exit)));
  // one in the first stage, one in the second, a depthwise and a pointwise one in the third
  expect(found).toEqual([
    { exit: 1, convolutions: 1 },
    { exit: 2, convolutions: 2 },
    { exit: 3, convolutions: 4 },
  ]);
});

/** Everything but the time it took. */
function comparable({ latencyMs: _, readMs: __, trace, probabilities, confidence, ...exact }: Classification) {
  return { exact, inexact: [...probabilities, confidence, ...trace.flatMap(numbersOf)], exits: trace.map(flagsOf) };
}
const numbersOf = ({
  probabilities,
  confidence,
  margin,
  entropy,
  qExit,
  qContinue,
}: Classification["trace"][number]) => [
  ...[...probabilities, confidence, margin, entropy],
  ...(qExit === null || qContinue === null ? [] : [qExit, qContinue]),
];
const flagsOf = ({ exit, classIndex, exited, qExit }: Classification["trace"][number]) => ({
  exit,
  classIndex,
  exited,
  decided: qExit !== null,
});

test.each([
  ["exits are mixed", mixed],
  ["dueling", handMadeAgent({ dueling: true, scale: 1.5, biases: [-0.3, 0], seed: 14 })],
  ["nobody leaves early", onward],
])("one session and a session per stage give the same answers and traces: %s", async (_, agent) => {
  const classifier = await AdaptiveClassifier.create(runtime, modelOf(agent), async (one: Uint8Array) => one);
  const seen = new Set<number>();
  for (const lambda of [0.01, 0.1, 1]) {
    classifier.lambda = lambda;
    for (let i = 0; i < COUNT; i++) {
      const before = [...classifier.imagesComputed];
      const single = await classifier.classify(image(i));
      const between = [...classifier.imagesComputed];
      const staged = await classifier.classify(image(i), { deadlineMs: 1e9 });
      const after = [...classifier.imagesComputed];
      const [a, b] = [comparable(single), comparable(staged)];
      expect(a.exact).toEqual(b.exact);
      expect(a.exits).toEqual(b.exits);
      expect(a.inexact).toHaveLength(b.inexact.length);
      // the same sums, but the runtime may add up in another order where it fuses other neighbours
      for (const [j, value] of a.inexact.entries()) expect(value).toBeCloseTo(b.inexact[j]!, 5);
      expect(between.map((count, k) => count - before[k]!)).toEqual([0, 1, 2].map((k) => Number(k < single.exit)));
      expect(after.map((count, k) => count - between[k]!)).toEqual(between.map((count, k) => count - before[k]!));
      seen.add(single.exit);
    }
  }
  await classifier.close();
  expect(seen.size).toBe(agent === onward ? 1 : EXITS);
});

test("on wasm, as in a browser: the same exits and probabilities", async () => {
  ortWeb.env.wasm.numThreads = 1;
  const web: Runtime = {
    device: "wasm",
    threads: 1,
    createSession: (bytes) => ortWeb.InferenceSession.create(bytes, { executionProviders: ["wasm"] }),
    tensor: (data, shape) => new ortWeb.Tensor("float32", data, shape),
  };
  const [here, there] = (await Promise.all(
    [runtime, web].map((one) => AdaptiveClassifier.create(one, modelOf(mixed), async (bytes: Uint8Array) => bytes)),
  )) as [AdaptiveClassifier<Uint8Array>, AdaptiveClassifier<Uint8Array>];
  const exits = new Set<number>();
  const batch = await there.classifyPixels(pixels);
  for (let i = 0; i < COUNT; i++) {
    const [expected, found] = [await here.classify(image(i)), await there.classify(image(i))];
    for (const one of [found, batch[i]!]) {
      expect(one.exit).toBe(expected.exit);
      for (const [k, p] of one.probabilities.entries()) expect(p).toBeCloseTo(expected.probabilities[k]!, 5);
    }
    exits.add(found.exit);
  }
  expect(exits.size).toBe(EXITS);
  await here.close();
  await there.close();
});

test("is made of the agreed operators", () => {
  const agreed = [...STANDARD_OPERATORS, "TopK", "ArgMin", "If"];
  const { operators } = serialize(nestedGraph(network, modelOf(mixed).policy));
  expect(operators.filter((one) => !agreed.includes(one))).toEqual([]);
  expect(operators).toContain("If");
});
