/** Networks small enough to be trained and run in milliseconds. */
import { constant, input, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import type { Model } from "../../src/model/model.ts";
import { type Blueprint, type LayerInput, parseBlueprint } from "../../src/network/blueprint.ts";
import { type BlueprintNetwork, blueprintTrainable } from "../../src/network/blueprint-network.ts";
import type { LayerContext, MapOperators } from "../../src/network/layers.ts";
import type { StagedNetwork, Trainable } from "../../src/network/staged-network.ts";
import { buildTrainingGraph } from "../../src/network/training-graph.ts";
import { initialValues, type NamedArray, type Weights } from "../../src/network/weights.ts";
import { normal, seededRandom, uniform } from "../../src/random.ts";

export const HEAD: LayerInput[] = [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }];

/** One stage per list of layers, all with the same head. */
export function stack(input: readonly [number, number, number], ...stages: LayerInput[][]): Blueprint {
  return parseBlueprint({ name: "stack", input, stages: stages.map((layers) => ({ layers, head: HEAD })) });
}

/** Every parameter and statistic away from its first value: normal numbers, gammas of both signs, variances 0.3 to 2. */
export function randomWeights(blueprint: Blueprint, classes: number, seed: number): Map<string, NamedArray> {
  const random = seededRandom(seed);
  const { parameters, statistics } = buildTrainingGraph(blueprint, classes, input("images", [1, ...blueprint.input]));
  const all = [...parameters, ...statistics.map(({ variable }) => variable)];
  return new Map(
    all.map(({ source: { name }, shape }) => {
      const spread = name.endsWith(".weight") ? 1 / Math.sqrt(sizeOf(shape.slice(1))) : 1;
      const draw = name.endsWith(".variance") ? () => 0.3 + 1.7 * uniform(random) : () => spread * normal(random);
      return [name, { shape, data: new Float32Array(sizeOf(shape)).map(draw) }];
    }),
  );
}

/** Layers alone, with the first values of their parameters as constants. */
export function plainContext(operators: MapOperators, classes = 3): LayerContext {
  return {
    classes,
    operators,
    parameter: (name, shape): Tensor => constant(initialValues(name, shape, 1), shape),
    fixed: (name, shape): Tensor => constant(initialValues(name, shape, 1), shape),
    batchNorm: (x) => x,
    dropout: (x) => x,
  };
}

/** To be trained, for so many classes. */
export function trainableOf(blueprint: Blueprint, classes: number): Trainable {
  const names = Array.from({ length: classes }, (_, k) => `class ${k}`);
  return blueprintTrainable(blueprint, names, { mean: [], std: [] });
}

/** The weights of a network that is known to be made of a blueprint. */
export function weightsOf(network: StagedNetwork): Weights {
  return (network as BlueprintNetwork).weights;
}

/** A network as plain data, to be compared: what it computes follows from this. */
export function plainNetwork({ sha256, classes, provenance, description, stages, inputs }: StagedNetwork) {
  return { sha256, classes, provenance, description, stages, inputs };
}

/** The same of a model. */
export function plainModel({ network, ...others }: Model) {
  return { ...others, network: plainNetwork(network) };
}

export function randomImages(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => normal(random));
}
