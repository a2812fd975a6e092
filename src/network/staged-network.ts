/**
 * A network in stages with an exit at the end of each: what everything behind training sees, whoever made it.
 * Letters: B batch, C channels, H, W, K classes, E exits.
 */
import type { Normalisation } from "../dataset/augmentation.ts";
import type { ImageShape } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { ElementType, Shape, Tensor } from "../graph/tensor.ts";
import type { TrainingGraph, TrainingGraphOptions } from "./training-graph.ts";
import type { Weights } from "./weights.ts";

/** What an input says of pictures: how their bytes become its numbers. */
export interface Picture {
  /** [C, H, W] of a picture, whatever the order of the input's axes. */
  readonly shape: ImageShape;
  /** Where the input has its channels. */
  readonly layout: "channelsFirst" | "channelsLast";
  /** The order of three channels; one channel is grey. */
  readonly channels: "rgb" | "bgr" | "grey";
  /** A byte x of channel c is given as (x / 255 - mean[c]) / std[c], c counted in the order of `channels`. */
  readonly normalisation: Normalisation;
}

/** What a network takes. */
export interface Input {
  readonly name: string;
  readonly type: ElementType;
  /** Without the batch. */
  readonly shape: Shape;
  /** Absent where the input is not a picture. */
  readonly picture?: Picture;
}

/** The kind of tensor that a stage hands on. */
export interface TensorSpec {
  readonly type: ElementType;
  /** Batch first, its size 1 an example. */
  readonly shape: Shape;
}

/** The layers between two exits, and the head at their end. */
export interface Stage {
  /** What the next stage takes; nothing at the last one. */
  readonly handsOn: readonly TensorSpec[];
  /** Multiply-accumulates of this stage's own layers, for one image. */
  readonly macs: number;
  /** Of its head. */
  readonly headMacs: number;
  /** Trainable numbers of this stage and its head. */
  readonly parameters: number;
  /** Bytes of all weights of this stage and its head, as they are used. */
  readonly bytes: number;
  /** Names of the tensors at which somebody else's network was cut. */
  readonly cut?: readonly string[];
}

/**
 * The order of axes inside a stage. "batchFirst" ([B, C, H, W]) is what the runtime fuses and packs, best for few images;
 * "batchLast" ([H, W, C, B], see `plane.ts`) is faster for many.
 */
export type Layout = "batchFirst" | "batchLast";

export interface BuiltStageTensors {
  /** What the next stage takes, in the layout asked for. */
  readonly handsOn: readonly Tensor[];
  /** [B, K] */
  readonly logits: Tensor;
  /** At the last stage of somebody else's network, if it tells the same classes apart: its own answer. */
  readonly original?: Tensor;
}

/** Where a network comes from. */
export interface Provenance {
  /** SHA-256 of each split, so that a policy is never learned on images that the network was trained on. */
  readonly dataset: { readonly name: string; readonly sha256: Readonly<Record<string, string>> };
  /** Of the training and of the split into train and validation. */
  readonly seed: number;
  /** Of this package. */
  readonly version: string;
  /** How it was trained, as plain JSON. */
  readonly recipe: Readonly<Record<string, unknown>>;
  /** Of a network in 8 bits: SHA-256 of the float network that it was made from. */
  readonly quantisedFrom?: string | undefined;
}

/** What can be trained of a network. */
export interface Trainable<Network extends StagedNetwork = StagedNetwork> {
  readonly exits: number;
  /** [K] */
  readonly classes: readonly string[];
  /** [C, H, W] of the images that it takes. */
  readonly imageShape: ImageShape;
  /** The graph of a training step's forward part. @param images [B, C, H, W] */
  graph(images: Tensor, options?: TrainingGraphOptions): TrainingGraph;
  /** The network with these weights. */
  withWeights(weights: Weights, provenance: Provenance): Network;
}

export interface StagedNetwork {
  readonly name: string;
  /** Of what decides its answers: policies, tables and checkpoints name it. In hex. */
  readonly sha256: string;
  readonly precision: "float32" | "int8";
  /** [K] */
  readonly classes: readonly string[];
  readonly inputs: readonly Input[];
  /** [E] */
  readonly stages: readonly Stage[];
  /** MACs of the backbone and the last head alone: what a network without exits would cost. */
  readonly fullMacs: number;
  /** Those that `build` takes. */
  readonly layouts: readonly Layout[];
  readonly provenance: Provenance;
  /**
   * One stage as it is used: weights are constants, nothing is random. Work is done for this stage alone.
   *
   * @param stage 0..E-1
   * @param from at stage 0 the network's inputs, batch first; else what the stage before hands on
   * @throws {UserError} if a weight is missing or has another shape
   */
  build(stage: number, from: readonly Tensor[], layout: Layout): BuiltStageTensors;
  /** null where nothing of it can be trained. */
  readonly trainable: Trainable | null;
  /** Somebody else's network as it came, before it got exits: MACs of the whole of it, for one image. Absent where it is ours. */
  readonly original?: { readonly macs: number };
  /** All that `model.json` says of it besides classes and provenance: plain JSON, read back by the parser in `model/`. */
  readonly description: NetworkDescription;
  /** Its weights as files, by name. The same network gives the same bytes. */
  files(): ReadonlyMap<string, Uint8Array>;
}

/** Plain JSON; `kind` tells which maker reads it. */
export interface NetworkDescription {
  readonly kind: "blueprint" | "imported" | "int8" | "importedInt8";
  readonly [field: string]: unknown;
}

/**
 * The one input of a network that takes pictures.
 *
 * @throws {UserError} if it takes several inputs, or one that is not described as a picture
 */
export function pictureOf({ name, inputs }: Pick<StagedNetwork, "name" | "inputs">): Picture {
  const [first, ...others] = inputs;
  if (first?.picture && others.length === 0) return first.picture;
  const found = inputs.map((one) => `${one.name} ${one.type} [${one.shape}]${one.picture ? " (a picture)" : ""}`);
  throw new UserError(
    `network ${name}: one input that takes pictures expected, found ${found.join(", ") || "none"}; say how a picture becomes that input`,
  );
}

/** The tensors that the network takes, batch first. @param batch B */
export function inputShapes({ inputs }: Pick<StagedNetwork, "inputs">, batch: number): Shape[] {
  return inputs.map(({ shape }) => [batch, ...shape]);
}

/** The stages one after the other, as one graph: the logits of every exit. @param inputs the network's, batch first */
export function buildStages(network: StagedNetwork, inputs: readonly Tensor[], layout: Layout): BuiltStageTensors[] {
  const built: BuiltStageTensors[] = [];
  for (let k = 0; k < network.stages.length; k++) built.push(network.build(k, built[k - 1]?.handsOn ?? inputs, layout));
  return built;
}
