import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { splitParts } from "../../src/dataset/dataset.ts";
import { drawShapesParts } from "../../src/dataset/shapes.ts";
import { input } from "../../src/graph/tensor.ts";
import { readImportedNetwork } from "../../src/network/imported-file.ts";
import type { ImportedNetwork } from "../../src/network/imported-network.ts";
import { buildStages } from "../../src/network/staged-network.ts";
import { findCuts } from "../../src/onnx/cuts.ts";
import { Program } from "../../src/runtime/program.ts";
import { attachExits } from "../../src/story/attach-exits.ts";
import { openNetwork } from "../../src/story/open-network.ts";
import { tuneNetwork } from "../../src/story/tune-network.ts";
import type { RecipeInput } from "../../src/training/recipe.ts";
import type { TrainingProgress } from "../../src/training/training-loop.ts";
import { attached, noise, opened, runtime } from "../network/imported.ts";
import { smallParts } from "../onnx/files.ts";

const data = splitParts(drawShapesParts({ trainCount: 160, testCount: 96 }), 0.25, 1);
/** Pictures that the heads have not seen: whoever learns from them gets better on them. */
const fresh = data.test;

async function logitsOf(network: Parameters<typeof buildStages>[0]): Promise<Float32Array> {
  const images = input("images", [2, ...network.inputs[0]!.shape]);
  const outputs = { logits: buildStages(network, [images], "batchFirst")[0]!.logits };
  const program = await Program.compile(runtime, { outputs });
  const { logits } = await program.run({ images: noise(images.shape.reduce((a, b) => a * b)) });
  await program.close();
  return logits!.slice();
}

const PLAIN = { batchSize: 16, averageDecay: 0.9, augmentation: { padding: 0, flip: false } } as const;

function tune(
  network: ImportedNetwork,
  depth: "last" | "all",
  recipe: RecipeInput,
  onProgress = (_: TrainingProgress) => {},
) {
  const set = { train: fresh, judged: fresh, mirrors: false };
  return tuneNetwork({
    network,
    ...set,
    depth,
    recipe: { ...PLAIN, ...recipe },
    runtime,
    seed: 1,
    hooks: { onProgress },
  });
}

test("tuned, the exits of a small network get better; its file has the same nodes and other weights", {
  timeout: 120_000,
}, async () => {
  const opening = await opened(smallParts({ side: 32 }));
  const { network } = await attachExits({ network: opening, data, at: ["a", "relu3"], runtime });
  const { network: tuned, findings } = await tune(network, "all", { epochs: 60, learningRate: 3e-3 });
  const { before, after, kept, frozen } = findings;
  expect(kept).toBe("tuned");
  expect(frozen).toEqual([]);
  // the first head, a linear one on what a single convolution gives, has little to win
  expect(after[0]!).toBeGreaterThan(before[0]!);
  for (const exit of [1, 2]) expect(after[exit]!).toBeGreaterThan(before[exit]! + 0.1);
  expect(tuned.prepared.graph.nodes).toEqual(opening.prepared.graph.nodes);
  expect(tuned.file.length).toBe(opening.file.length);
  expect(tuned.file).not.toEqual(opening.file);
  // what a model folder holds of it is the same network
  const read = await readImportedNetwork(tuned.description, tuned, async (file) => tuned.files().get(file)!, "folder");
  expect(await logitsOf(read)).toEqual(await logitsOf(tuned));
  expect(read.sha256).toBe(tuned.sha256);
});

test("--tune last leaves all before the last exit but one as it was, and its exits with it", {
  timeout: 120_000,
}, async () => {
  const network = attached(await opened(smallParts({ side: 32 })), ["a", "relu3"], "head");
  const { network: tuned, findings } = await tune(network, "last", { epochs: 16, learningRate: 1e-2 });
  const { before, after, kept } = findings;
  expect(kept).toBe("tuned");
  expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
  const constantsOf = (one: ImportedNetwork) => one.prepared.graph.constants;
  const changed = [...constantsOf(network).keys()].filter(
    (name) => constantsOf(network).get(name) !== constantsOf(tuned).get(name),
  );
  expect(changed).toEqual(["w4"]);
});

test("a rate that destroys what was learned: the network as it came is kept, and that is said", {
  timeout: 120_000,
}, async () => {
  const network = await opened(smallParts({ side: 32 }));
  const recipe = { epochs: 1, batchSize: 16, learningRate: 3, gradientNorm: null, averageDecay: null } as const;
  const { network: left, findings } = await attachExits({ network, data, at: ["a"], runtime, recipe, tune: "all" });
  expect(findings.tuned!.kept).toBe("frozen");
  expect(findings.notes.at(-1)).toMatch(/the last one got worse, so that the network as it came is kept/);
  expect(left.file).toEqual(network.file);
});

const RESNET = "/work/shared/networks/resnet20.onnx";

test("ResNet-20 from its file: all exits learn together on a few pictures", { timeout: 120_000 }, async () => {
  if (!existsSync(RESNET)) return void console.log(`skipped: ${RESNET} is not there`);
  const opening = await openNetwork(RESNET, { runtime, normalise: "imagenet" });
  const network = attached(opening, [findCuts(opening.prepared)[4]!.name], "head");
  const losses: number[] = [];
  const { findings } = await tune(network, "all", { epochs: 3 }, ({ loss }) => losses.push(loss));
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
  expect(losses).toHaveLength(18);
  expect(mean(losses.slice(-6))).toBeLessThan(0.95 * mean(losses.slice(0, 6)));
  expect(findings.frozen).toEqual([]);
});
