/**
 * The same small training and the same answers on two devices, as one JSON object: run by `webgpu.test.ts` in a process of its own,
 * as a graphics driver is found by the environment that a process begins with.
 */

import type { OnnxValue } from "onnxruntime-common";
import { add, scale } from "../../src/graph/elementwise.ts";
import { input, variable } from "../../src/graph/tensor.ts";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { handMadeAgent, IMAGE_SIZE, modelOf, wavyPixels } from "../inference/small.ts";
import { weightsOf } from "../network/small.ts";
import { smallBlueprint, smallRecipe, train } from "../training/small.ts";

export interface DeviceResults {
  /** After the second and the fourth run of a <- a + x, b <- 2 b: both values; `b` is written before the fourth. */
  readonly states: number[][];
  /** Where each run of a program of its own, never read and then closed, found its variable. */
  readonly locations: string[];
  readonly losses: number[];
  readonly weights: number[];
  readonly exits: number[];
  readonly probabilities: number[];
}

async function states(device: string): Promise<number[][]> {
  const [a, b] = [variable("a", [2], Float32Array.of(1, 2)), variable("b", [1], Float32Array.of(3))];
  const program = await Program.compile(createNodeRuntime({ device }), {
    outputs: {},
    updates: [
      { variable: a, next: add(a, input("x", [])) },
      { variable: b, next: scale(b, 2) },
    ],
  });
  const found: number[][] = [];
  for (const x of [10, 100, 1000, 10_000]) {
    if (x === 10_000) program.write("b", Float32Array.of(50));
    await program.run({ x: Float32Array.of(x) });
    if (x === 100 || x === 10_000)
      found.push((await Promise.all(["a", "b"].map((name) => program.read(name)))).flatMap((one) => [...one]));
  }
  await program.close();
  return found;
}

async function locations(device: string): Promise<string[]> {
  const found: string[] = [];
  const runtime = createNodeRuntime({ device });
  const watched: Runtime = {
    ...runtime,
    async createSession(model, options) {
      const session = await runtime.createSession(model, options);
      const run = session.run.bind(session);
      return Object.assign(session, {
        run: (feeds: Record<string, OnnxValue>) => {
          found.push(feeds.a!.location);
          return run(feeds);
        },
      });
    },
  };
  const a = variable("a", [2], Float32Array.of(1, 2));
  const program = await Program.compile(watched, { outputs: {}, updates: [{ variable: a, next: scale(a, 2) }] });
  for (let run = 0; run < 3; run++) await program.run({});
  await program.close();
  return found;
}

async function results(device: string): Promise<DeviceResults> {
  const losses: number[] = [];
  const runtime = createNodeRuntime({ device });
  const trained = await train({
    runtime,
    blueprint: smallBlueprint(0),
    recipe: smallRecipe({ epochs: 1, averageDecay: 0.9 }),
    onProgress: ({ loss }) => losses.push(loss),
  });
  const classifier = await AdaptiveClassifier.create(
    runtime,
    modelOf(handMadeAgent({ scale: 2, seed: 7 })),
    async (one: Uint8Array) => one,
  );
  const pixels = wavyPixels(40, 5);
  const images = Array.from({ length: 40 }, (_, i) => pixels.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE));
  const answers = await classifier.classifyBatch(images);
  await classifier.close();
  return {
    states: await states(device),
    locations: await locations(device),
    losses,
    weights: [...weightsOf(trained).values()].flatMap(({ data }) => [...data]),
    exits: answers.map(({ exit }) => exit),
    probabilities: answers.flatMap((one) => [...one.probabilities]),
  };
}

process.stdout.write(JSON.stringify({ cpu: await results("cpu"), webgpu: await results("webgpu") }));
