/**
 * A network of ours is taught other classes: all of it stays but the last layer of each head, which learns anew from what stands before it.
 *
 * Letters: N pictures, V variations of each, F features, K classes, E exits.
 */
import { type Augmentation, NO_AUGMENTATION, normalisationTable, writeAugmented } from "../dataset/augmentation.ts";
import type { Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { batchLast } from "../graph/plane.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { type BlueprintNetwork, blueprintNetwork } from "../network/blueprint-network.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { buildInferenceGraph } from "../network/inference-graph.ts";
import { trainingOperators } from "../network/layers.ts";
import type { Provenance } from "../network/staged-network.ts";
import type { Weights } from "../network/weights.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** How a picture is varied, so that few look like more. */
const VARIED: Augmentation = {
  padding: 0,
  flip: true,
  cutout: 0,
  zoom: { area: [0.6, 1.1], stretch: 1.25 },
  colour: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
};
const BATCH = 32;

/** What the last layers of the heads take, of each picture as it is and of its variations. */
export interface HeadFeatures {
  /** [E] of [V, N, F]: the pictures as they are come first */
  readonly features: readonly Float32Array[];
  /** [E] F */
  readonly widths: readonly number[];
  readonly variations: number;
}

/**
 * @param variations V, at least 1: the pictures as they are
 * @param onProgress is told how many of the V N runs are done
 */
export async function headFeatures(
  runtime: Runtime,
  network: BlueprintNetwork,
  samples: Samples,
  variations: number,
  seed: number,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<HeadFeatures> {
  const { count } = samples;
  const shape = network.blueprint.input;
  const table = normalisationTable(network.normalisation);
  const { graph, tensors } = featureGraph(network);
  const program = await Program.compile(runtime, graph);
  const widths = tensors.map((one) => one.shape[1]!);
  const features = widths.map((width) => new Float32Array(variations * count * width));
  const images = new Float32Array(BATCH * shape[0] * shape[1] * shape[2]);
  try {
    for (let variation = 0; variation < variations; variation++)
      for (let first = 0; first < count; first += BATCH) {
        const some = Math.min(BATCH, count - first);
        const indices = Uint32Array.from({ length: some }, (_, i) => first + i);
        const how = variation === 0 ? NO_AUGMENTATION : VARIED;
        writeAugmented(images, samples, shape, indices, table, how, seed, variation);
        const found = await program.run({ images });
        for (const [exit, width] of widths.entries())
          features[exit]!.set(found[`f${exit}`]!.subarray(0, some * width), (variation * count + first) * width);
        onProgress(variation * count + first + some, variations * count);
      }
  } finally {
    await program.close();
  }
  return { features, widths, variations };
}

/** images [B, C, H, W] -> f0.. [B, F] of each exit: the network without the last layer of each head */
function featureGraph(network: BlueprintNetwork): { graph: GraphDefinition; tensors: readonly Tensor[] } {
  const { blueprint, weights, classes } = network;
  checkLastLayers(network);
  const stages = blueprint.stages.map(({ layers, head }) => ({ layers, head: head.slice(0, -1) }));
  const folded = foldBatchNorm({ ...blueprint, stages }, weights);
  const images = input("images", [BATCH, ...blueprint.input]);
  const built = buildInferenceGraph(
    folded.blueprint,
    folded.weights,
    classes.length,
    batchLast(images),
    trainingOperators,
  );
  const tensors = built.map(({ logits }) => logits);
  return { graph: { outputs: Object.fromEntries(tensors.map((one, exit) => [`f${exit}`, one])) }, tensors };
}

/** @throws {UserError} if a head ends otherwise */
function checkLastLayers({ name, blueprint }: BlueprintNetwork): void {
  for (const [exit, { head }] of blueprint.stages.entries()) {
    const last = head.at(-1);
    if (last?.type === "linear" && last.features === "classes") continue;
    throw new UserError(
      `teach: heads that end in one linear layer expected, found ${last?.type ?? "nothing"} at exit ${exit + 1} of ${name}; ` +
        "begin with another model",
    );
  }
}

/**
 * The network with these last layers and classes.
 *
 * @param last [E] `out.weight` [K, F] and `out.bias` [K] of each, as `trainHead` returns them
 */
export function withLastLayers(
  network: BlueprintNetwork,
  classes: readonly string[],
  last: readonly Weights[],
  provenance: Provenance,
): BlueprintNetwork {
  const weights = new Map(network.weights);
  for (const [exit, learned] of last.entries()) {
    const path = `stages.${exit}.head.${network.blueprint.stages[exit]!.head.length - 1}`;
    for (const name of ["weight", "bias"]) weights.set(`${path}.${name}`, learned.get(`out.${name}`)!);
  }
  const { blueprint, normalisation } = network;
  return blueprintNetwork({ blueprint, weights, classes, normalisation, provenance });
}
