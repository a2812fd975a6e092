import { UserError } from "../errors.ts";
import { multiplyAccumulates } from "../graph/cost.ts";
import { input, type Shape, sizeOf, type Variable, variable } from "../graph/tensor.ts";
import type { Blueprint, Layer } from "./blueprint.ts";
import { applyStages, inferenceOperators, type LayerContext } from "./layers.ts";
import type { Stage, StagedNetwork } from "./staged-network.ts";

export interface NetworkCost {
  /** [E] MACs of one image up to and including exit k's head, the heads passed on the way included, the policy not. */
  readonly exitMacs: readonly number[];
  /** [E] MACs of the stages alone, without any head. */
  readonly backboneMacs: readonly number[];
  /** MACs of the backbone and the last head alone: what a network without exits would cost. */
  readonly fullMacs: number;
  /** [E] trainable parameters needed to answer at exit k. */
  readonly parameters: readonly number[];
  /** [E] bytes of these in float32, with the filters of a whitening layer, which are not trained. */
  readonly bytes: readonly number[];
}

/** The same of any network, from what its stages say. */
export function networkCost({ stages, fullMacs }: Pick<StagedNetwork, "stages" | "fullMacs">): NetworkCost {
  const upTo = (k: number, of: (stage: Stage) => number): number =>
    stages.slice(0, k + 1).reduce((sum, stage) => sum + of(stage), 0);
  const exits = stages.map((_, k) => k);
  return {
    exitMacs: exits.map((k) => upTo(k, ({ macs, headMacs }) => macs + headMacs)),
    backboneMacs: exits.map((k) => upTo(k, ({ macs }) => macs)),
    fullMacs,
    parameters: exits.map((k) => upTo(k, ({ parameters }) => parameters)),
    bytes: exits.map((k) => upTo(k, ({ bytes }) => bytes)),
  };
}

/**
 * What each stage of a blueprint costs and hands on, counted on the symbolic graph itself: a new layer cannot be forgotten here.
 *
 * @throws {RangeError} naming the layer, if two layers do not fit together, or it is larger than any network here may be
 */
export function blueprintStages(blueprint: Blueprint, classes: number): Pick<StagedNetwork, "stages" | "fullMacs"> {
  bounded("layers", layersIn(blueprint.stages.flatMap(({ layers, head }) => [...layers, ...head])), MOST_LAYERS);
  bounded("values of an image", sizeOf(blueprint.input), MOST_VALUES);
  const { logits, stageFeatures, parameters, fixed } = symbolicNetwork(blueprint, classes);
  bounded(
    "parameters",
    parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    MOST_PARAMETERS,
  );
  for (const [k, { shape }] of stageFeatures.entries())
    bounded(`values after stage ${k + 1}`, sizeOf(shape), MOST_VALUES);
  const last = blueprint.stages.length - 1;
  const own = (k: number, variables: readonly Variable[]): number =>
    variables
      .filter(({ source }) => Number(source.name.split(".")[1]) === k)
      .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const macsTo = stageFeatures.map((features) => multiplyAccumulates([features]));
  const stages = stageFeatures.map(
    ({ shape, type }, k): Stage => ({
      handsOn: k < last ? [{ shape, type }] : [],
      macs: macsTo[k]! - (macsTo[k - 1] ?? 0),
      headMacs: multiplyAccumulates([logits[k]!]) - macsTo[k]!,
      parameters: own(k, parameters),
      bytes: 4 * own(k, [...parameters, ...fixed]),
    }),
  );
  return { stages, fullMacs: multiplyAccumulates([logits[last]!]) };
}

/** Bounds that no useful network of this kind comes near; beyond them a typing error would take all memory. */
const MOST_LAYERS = 1000;
const MOST_PARAMETERS = 2 ** 28;
const MOST_VALUES = 2 ** 26;

function bounded(what: string, found: number, most: number): void {
  if (!(found <= most)) throw new RangeError(`blueprint: at most ${most} ${what} expected, found ${found}`);
}

/** Those inside others included. */
function layersIn(layers: readonly Layer[]): number {
  return layers.reduce((sum, layer) => {
    const inner =
      layer.type === "parallel"
        ? layer.branches.flat()
        : layer.type === "residual"
          ? [...layer.layers, ...(layer.shortcut ?? [])]
          : [];
    return sum + 1 + layersIn(inner);
  }, 0);
}

/** The network for one image, with parameters that have no values. */
function symbolicNetwork(blueprint: Blueprint, classes: number) {
  const images = input("images", [1, ...blueprint.input]);
  const parameters: Variable[] = [];
  const fixed: Variable[] = [];
  const create = (list: Variable[]) => (name: string, shape: Shape) => {
    const one = variable(name, shape, () => new Float32Array(sizeOf(shape)));
    list.push(one);
    return one;
  };
  const context: LayerContext = {
    classes,
    operators: inferenceOperators,
    parameter: create(parameters),
    fixed: create(fixed),
    batchNorm: (x, path, channels) => {
      for (const name of ["gamma", "beta"]) context.parameter(`${path}.${name}`, [channels]);
      return x; // counts nothing
    },
    dropout: (x) => x,
  };
  return { ...applyStages(blueprint, images, context), parameters, fixed };
}

/**
 * Makes sure that the layers of somebody's blueprint fit together.
 *
 * @throws {UserError} naming the layer that does not
 */
export function checkBlueprint(blueprint: Blueprint, classes: number): void {
  try {
    blueprintStages(blueprint, classes);
  } catch (cause) {
    if (cause instanceof RangeError)
      throw new UserError(`blueprint ${blueprint.name}: ${cause.message}; correct that layer`, { cause });
    throw cause;
  }
}
