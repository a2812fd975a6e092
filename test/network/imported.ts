/** A small network of somebody else's with heads of random weights at all of its cuts. */
import { plainRule } from "../../src/exits/answers.ts";
import { stateWidth } from "../../src/exits/observation.ts";
import { feedingOf } from "../../src/network/feeding.ts";
import { featureCount, type HeadShape, headWeights } from "../../src/network/head.ts";
import { type ImportedNetwork, importedNetwork, type OpenedNetwork } from "../../src/network/imported-network.ts";
import { initialValues, type NamedArray } from "../../src/network/weights.ts";
import { lastFeatures } from "../../src/onnx/cuts.ts";
import { prepare } from "../../src/onnx/prepare.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import type { LearnedPolicy } from "../../src/policy/learned-policy.ts";
import { initialQWeights } from "../../src/policy/q-network.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { type FileParts, onnxFile, smallParts } from "../onnx/files.ts";

export const runtime = createNodeRuntime({ threads: 1 });

export async function opened(parts: FileParts = smallParts(), options: Parameters<typeof feedingOf>[1] = {}) {
  const file = onnxFile(parts);
  return openedFile(file, options);
}

export async function openedFile(
  file: Uint8Array,
  options: Parameters<typeof feedingOf>[1] = {},
): Promise<OpenedNetwork> {
  const prepared = await prepare(file, { runtime, where: "small.onnx" });
  const { feeding, picture } = feedingOf({ prepared, name: "small" }, { normalise: "unit", ...options });
  return { name: "small", file, external: new Map(), prepared, feeding, picture, labels: null };
}

/** @param last "own": the network's own answer is the last exit */
export function attached(
  network: OpenedNetwork,
  cuts: readonly string[],
  last: "own" | "head" = "own",
): ImportedNetwork {
  const { prepared } = network;
  const classes = Array.from({ length: prepared.classes! }, (_, k) => `class ${k}`);
  const heads = [...cuts, last].map((_, k): HeadShape | null =>
    k === cuts.length && last === "own" ? null : { grid: k === 0 ? 2 : 1, hidden: k === 1 ? 5 : 0 },
  );
  const reads = [...cuts, lastFeatures(prepared)!];
  const weights = new Map(
    heads.flatMap((head, k) => {
      if (!head) return [];
      const features = featureCount(prepared.tensors.get(reads[k]!)!.shape, head.grid);
      return headWeights(features, head, classes.length).map(([name, shape]): [string, NamedArray] => [
        `heads.${k}.${name}`,
        { shape, data: initialValues(name, shape, k) },
      ]);
    }),
  );
  return importedNetwork({
    ...network,
    cuts,
    heads,
    weights,
    classes,
    answerClasses: classes.map((_, k) => k),
    provenance: { dataset: { name: "none", sha256: {} }, seed: 1, version: "0", recipe: {} },
  });
}

/** An agent with random weights. */
export function policyFor(network: ImportedNetwork): LearnedPolicy {
  const [exits, classes] = [network.stages.length, network.classes.length];
  const shape = { hidden: [4], dueling: false };
  const weights = initialQWeights({ inputs: stateWidth(exits, classes) + 1, ...shape }, 3);
  const agent = { ...plainRule(exits), ...shape, weights, exits, classes, lambdaRange: { from: 0.01, to: 1 } };
  const validation = { logits: new Float32Array(exits * classes), labels: Uint16Array.of(0), count: 1, exits, classes };
  return { agent, costs: exitCosts(network, agent), lambda: 0.1, calibration: [], validation };
}

export function noise(count: number, seed = 5): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => normal(random));
}
