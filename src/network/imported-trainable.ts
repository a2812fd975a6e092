/** Somebody else's network with heads of ours as something that can be trained further: see `imported-training.ts`. */
import { UserError } from "../errors.ts";
import { reshape } from "../graph/broadcast.ts";
import { concat, slice, transpose } from "../graph/layout.ts";
import { matMul } from "../graph/linear.ts";
import { mapPlane } from "../graph/plane.ts";
import { globalMaxPool } from "../graph/pool.ts";
import { reduceMean } from "../graph/reduce.ts";
import { constant, input, show, sizeOf, stopGradient, type Tensor, type Variable, variable } from "../graph/tensor.ts";
import { withConstants } from "../onnx/constants.ts";
import { fieldMeans, headLogits, isChannelsLast } from "./head.ts";
import { type ImportedNetwork, type ImportedNetworkParts, importedNetwork, stageEnds } from "./imported-network.ts";
import {
  BACKBONE,
  buildTrainedPart,
  constantName,
  type FrozenNode,
  type TrainedPartOptions,
} from "./imported-training.ts";
import type { Provenance, Trainable } from "./staged-network.ts";
import { asPlain, type Value } from "./trained-value.ts";
import type { TrainingGraph, TrainingGraphOptions } from "./training-graph.ts";
import type { Weights } from "./weights.ts";

export interface ImportedTrainableOptions extends Pick<TrainedPartOptions, "statistics"> {
  /** "last": the last stage and its head alone. */
  readonly depth: "last" | "all";
  /** Times the learning rate, for each stage further from the answer. */
  readonly rateByDepth: number;
}

export interface ImportedTrainable extends Trainable<ImportedNetwork> {
  /** Nodes of the file without a gradient: they and all before them stay as they came. */
  readonly frozen: readonly FrozenNode[];
}

/** @throws {UserError} if a gradient reaches nothing of it */
export function importedTrainable(parts: ImportedNetworkParts, options: ImportedTrainableOptions): ImportedTrainable {
  const { picture, classes, heads } = parts;
  const example = input("images", [1, ...picture.shape]);
  const { frozen } = buildGraph(parts, options, example);
  return {
    exits: heads.length,
    classes,
    imageShape: picture.shape,
    frozen,
    graph: (images, given = {}) => buildGraph(parts, options, images, given).graph,
    withWeights: (weights, provenance) => withWeights(parts, weights, provenance),
  };
}

function buildGraph(
  parts: ImportedNetworkParts,
  { depth, statistics, rateByDepth }: ImportedTrainableOptions,
  images: Tensor,
  { start }: TrainingGraphOptions = {},
): { graph: TrainingGraph; frozen: readonly FrozenNode[] } {
  const { heads, weights, answerClasses } = parts;
  const ends = stageEnds(parts);
  const frozenTo = depth === "last" ? (ends.at(-2)?.to ?? []) : [];
  const wanted = ends.map(({ reads }) => reads);
  const part = buildTrainedPart(parts, images, wanted, { frozenTo, statistics }, start);
  const parameters: Variable[] = [...part.parameters];
  const logits = ends.map(({ reads }, k) => {
    const value = part.value(reads);
    const head = heads[k];
    if (!head) return ownLogits(value, answerClasses!);
    const isLearned = depth === "all" || k === ends.length - 1;
    return headLogits(pooledValue(value, head.grid), head, (name) => {
      const { shape, data } = weights.get(`heads.${k}.${name}`)!;
      if (!isLearned) return constant(data, shape);
      const own = `heads.${k}.${name}`;
      const one = variable(own, shape, () => start?.get(own)?.data ?? data);
      parameters.push(one);
      return one;
    });
  });
  const stageOf = new Map(ends.flatMap(({ part }, k) => part.constants.map((name): [string, number] => [name, k])));
  const rateFactors = new Map(
    parameters.flatMap(({ source: { name } }): [string, number][] => {
      const constant = constantName(name);
      return constant === null ? [] : [[name, rateByDepth ** (ends.length - 1 - (stageOf.get(constant) ?? 0))]];
    }),
  );
  const graph = { logits, stageFeatures: [], parameters, fixed: [], statistics: part.statistics, rateFactors };
  return { graph, frozen: part.frozen };
}

/** [B, K] of the network's own answer. */
function ownLogits(value: Value, classes: readonly number[]): Tensor {
  const plain = asPlain(value);
  const rows = reshape(plain, [plain.shape[0]!, sizeOf(plain.shape.slice(1))]);
  const width = rows.shape[1]!;
  if (classes.length === width && classes.every((one, k) => one === k)) return rows;
  const chosen = Array.from({ length: width * classes.length }, (_, i) =>
    Number(classes[i % classes.length] === Math.floor(i / classes.length)),
  );
  return matMul(rows, constant(chosen, [width, classes.length]));
}

/** What `pooledFeatures` gives, with its gradient. @throws {UserError} if it has none for such a tensor */
function pooledValue({ tensor, isMap, isTrained }: Value, grid: number): Tensor {
  const x = isTrained ? tensor : stopGradient(tensor);
  const { shape } = x;
  if (shape.length === 2) return x;
  if (shape.length === 3) {
    const [batch, , width] = shape as [number, number, number];
    return concat([reshape(slice(x, 1, 0, 1), [batch, width]), reduceMean(x, [1])], 1);
  }
  if (shape.length !== 4)
    throw new UserError(
      `tune: an exit at a tensor of 2 to 4 axes expected, found ${show(shape)}; place exits with --at`,
    );
  const plainShape = isMap ? [shape[3]!, shape[2]!, shape[0]!, shape[1]!] : shape;
  const plain = isMap ? transpose(x, [3, 2, 0, 1]) : x;
  const map = isChannelsLast(plainShape) ? transpose(plain, [1, 2, 3, 0]) : isMap ? x : transpose(x, [2, 3, 1, 0]);
  const [height, width, channels, batch] = map.shape as [number, number, number, number];
  const averages = transpose(mapPlane(map, fieldMeans(height, grid), fieldMeans(width, grid)), [3, 2, 0, 1]); // [B, C, G, G]
  return concat([reshape(averages, [batch, channels * grid * grid]), globalMaxPool(map)], 1);
}

/** The network whose nodes are the same, with other weights in them and in its heads. */
function withWeights(parts: ImportedNetworkParts, weights: Weights, provenance: Provenance): ImportedNetwork {
  const own = [...weights].filter(([name]) => !name.startsWith(BACKBONE));
  const changed = new Map(
    [...weights].flatMap(([name, { data }]) => {
      const constant = constantName(name);
      return constant === null ? [] : [[constant, data] as const];
    }),
  );
  const { prepared, file, external } = withConstants(parts, changed);
  return importedNetwork({
    ...parts,
    prepared,
    file,
    external,
    weights: new Map([...parts.weights, ...own]),
    isTuned: true,
    provenance,
  });
}
