import { UserError } from "../errors.ts";
import { multiplyAccumulates } from "../graph/cost.ts";
import { input, type Shape, sizeOf, type Variable, variable } from "../graph/tensor.ts";
import type { Blueprint } from "./blueprint.ts";
import { applyStages, inferenceOperators, type LayerContext } from "./layers.ts";

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

/**
 * What each exit costs, counted on the symbolic graph itself: a new layer cannot be forgotten here.
 *
 * @throws {RangeError} naming the layer, if two layers do not fit together
 */
export function networkCost(blueprint: Blueprint, classes: number): NetworkCost {
  const { logits, stageFeatures, parameters, fixed } = symbolicNetwork(blueprint, classes);
  const exits = blueprint.stages.map((_, k) => k);
  const upTo = (k: number, variables: readonly Variable[]): number =>
    variables
      .filter(({ source }) => Number(source.name.split(".")[1]) <= k)
      .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    exitMacs: exits.map((k) => multiplyAccumulates(logits.slice(0, k + 1))),
    backboneMacs: exits.map((k) => multiplyAccumulates([stageFeatures[k]!])),
    fullMacs: multiplyAccumulates([logits.at(-1)!]),
    parameters: exits.map((k) => upTo(k, parameters)),
    bytes: exits.map((k) => 4 * upTo(k, [...parameters, ...fixed])),
  };
}

/** [E] what each stage hands on to the next one, [1, C, H, W]. @throws {RangeError} as `networkCost` does */
export function stageMaps(blueprint: Blueprint, classes: number): Shape[] {
  return symbolicNetwork(blueprint, classes).stageFeatures.map(({ shape }) => shape);
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
    networkCost(blueprint, classes);
  } catch (cause) {
    if (cause instanceof RangeError)
      throw new UserError(`blueprint ${blueprint.name}: ${cause.message}; correct that layer`, { cause });
    throw cause;
  }
}
