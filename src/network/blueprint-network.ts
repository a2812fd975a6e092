/** The first maker of a `StagedNetwork`: a blueprint with weights. */
import type { Normalisation } from "../dataset/augmentation.ts";
import { encodeSafetensors } from "../files/safetensors.ts";
import { sha256 } from "../files/sha256.ts";
import { batchLast } from "../graph/plane.ts";
import type { Tensor } from "../graph/tensor.ts";
import { VERSION } from "../version.ts";
import type { Blueprint } from "./blueprint.ts";
import { blueprintStages } from "./cost.ts";
import { foldBatchNorm } from "./folding.ts";
import { buildInferenceStage } from "./inference-graph.ts";
import { inferenceOperators, trainingOperators } from "./layers.ts";
import type { BuiltStageTensors, Layout, Provenance, StagedNetwork, Trainable } from "./staged-network.ts";
import { buildTrainingGraph, initialWeights } from "./training-graph.ts";
import type { Weights } from "./weights.ts";

export interface BlueprintNetworkParts {
  readonly blueprint: Blueprint;
  readonly weights: Weights;
  readonly classes: readonly string[];
  readonly normalisation: Normalisation;
  readonly provenance: Provenance;
}

/** A network of ours; its parts can be asked for by who knows that it is one. */
export interface BlueprintNetwork extends StagedNetwork, BlueprintNetworkParts {}

/** @throws {RangeError} naming the layer, if two layers of the blueprint do not fit together */
export function blueprintNetwork(parts: BlueprintNetworkParts): BlueprintNetwork {
  const { blueprint, weights, classes, normalisation } = parts;
  const { stages, fullMacs } = blueprintStages(blueprint, classes.length);
  const description = { kind: "blueprint", blueprint, normalisation } as const;
  let bytes: Uint8Array | undefined;
  let digest: string | undefined;
  const weightFile = (): Uint8Array => {
    bytes ??= encodeSafetensors(weights, { halve: true });
    return bytes;
  };
  return {
    ...parts,
    name: blueprint.name,
    get sha256() {
      digest ??= sha256(new TextEncoder().encode(JSON.stringify({ classes, ...description })), weightFile());
      return digest;
    },
    precision: "float32",
    inputs: [
      {
        name: "image",
        type: "float32",
        shape: blueprint.input,
        picture: {
          shape: blueprint.input,
          layout: "channelsFirst",
          channels: blueprint.input[0] === 1 ? "grey" : "rgb",
          normalisation,
        },
      },
    ],
    stages,
    fullMacs,
    layouts: ["batchFirst", "batchLast"],
    build: (stage, from, layout) => buildStage(parts, stage, from[0]!, layout),
    trainable: blueprintTrainable(blueprint, classes, normalisation, weights),
    description,
    files: () => new Map([["network.safetensors", weightFile()]]),
  };
}

/** A network that has seen nothing: enough for what does not depend on weights, such as its time. */
export function untrainedNetwork(blueprint: Blueprint, classes: readonly string[], seed = 0): BlueprintNetwork {
  const channels = Array.from({ length: blueprint.input[0] });
  return blueprintNetwork({
    blueprint,
    weights: initialWeights(blueprint, classes.length, seed),
    classes,
    normalisation: { mean: channels.map(() => 0.5), std: channels.map(() => 0.25) },
    provenance: { dataset: { name: "none", sha256: {} }, seed, version: VERSION, recipe: {} },
  });
}

function buildStage(
  { blueprint, weights, classes }: BlueprintNetworkParts,
  stage: number,
  from: Tensor,
  layout: Layout,
): BuiltStageTensors {
  const folded = foldBatchNorm(blueprint, weights, [stage]);
  const operators = layout === "batchLast" ? trainingOperators : inferenceOperators;
  const x = layout === "batchLast" && stage === 0 ? batchLast(from) : from;
  const built = buildInferenceStage(folded.blueprint, folded.weights, classes.length, stage, x, operators);
  return { handsOn: stage < blueprint.stages.length - 1 ? [built.features] : [], logits: built.logits };
}

/** A blueprint to be trained, from its initialisation or from weights. */
export function blueprintTrainable(
  blueprint: Blueprint,
  classes: readonly string[],
  normalisation: Normalisation,
  weights?: Weights,
): Trainable {
  return {
    exits: blueprint.stages.length,
    classes,
    imageShape: blueprint.input,
    graph: (images, options = {}) =>
      buildTrainingGraph(blueprint, classes.length, images, { ...(weights ? { start: weights } : {}), ...options }),
    withWeights: (trained, provenance) =>
      blueprintNetwork({ blueprint, weights: trained, classes, normalisation, provenance }),
  };
}
