import { batchNorm } from "../graph/batchnorm.ts";
import { dropout } from "../graph/dropout.ts";
import { add, scale } from "../graph/elementwise.ts";
import type { Update } from "../graph/optimizer.ts";
import { batchLast } from "../graph/plane.ts";
import { input, type Shape, type Tensor, type Variable, variable } from "../graph/tensor.ts";
import type { Blueprint } from "./blueprint.ts";
import { applyStages, type LayerContext, trainingOperators } from "./layers.ts";
import { type Initialisation, initialValues, type NamedArray, type Weights } from "./weights.ts";

/** Share of the new batch in the running statistics. */
const STATISTICS_MOMENTUM = 0.1;

export interface TrainingGraphOptions {
  /** Of the first values; default 0. */
  readonly seed?: number;
  readonly initialisation?: Initialisation;
  /** Values to start from; the initialisation of `weights.ts` for names that are not in it. */
  readonly start?: Weights;
}

export interface TrainingGraph {
  /** [E] tensors [B, K] */
  readonly logits: readonly Tensor[];
  /** [E] tensors [H, W, C, B] at the end of each stage */
  readonly stageFeatures: readonly Tensor[];
  /** What the optimizer changes. */
  readonly parameters: readonly Variable[];
  /** What it does not: the filters of a whitening layer. */
  readonly fixed: readonly Variable[];
  /** running <- 0.9 running + 0.1 batch, for the mean and the unbiased variance of every batch norm. */
  readonly statistics: readonly Update[];
  /** Times the learning rate, for some parameters by name. */
  readonly rateFactors?: ReadonlyMap<string, number>;
}

/**
 * The network as it is trained: batch norm over the batch, dropout on.
 *
 * @param images [B, C, H, W]
 */
export function buildTrainingGraph(
  blueprint: Blueprint,
  classes: number,
  images: Tensor,
  { seed = 0, initialisation = "he", start }: TrainingGraphOptions = {},
): TrainingGraph {
  const parameters: Variable[] = [];
  const fixed: Variable[] = [];
  const statistics: Update[] = [];
  const create = (name: string, shape: Shape): Variable =>
    variable(name, shape, () => start?.get(name)?.data ?? initialValues(name, shape, seed, initialisation));
  const context: LayerContext = {
    classes,
    operators: trainingOperators,
    parameter: (name, shape) => {
      const parameter = create(name, shape);
      parameters.push(parameter);
      return parameter;
    },
    fixed: (name, shape) => {
      const one = create(name, shape);
      fixed.push(one);
      return one;
    },
    batchNorm: (x, path, channels, bias) => {
      const gamma = context.parameter(`${path}.gamma`, [channels]);
      const beta = context.parameter(`${path}.beta`, [channels]);
      const { y, mean, variance } = batchNorm(x, gamma, beta, bias);
      for (const [suffix, batch] of [
        ["mean", mean],
        ["variance", variance],
      ] as const) {
        const running = create(`${path}.${suffix}`, [channels]);
        const next = add(scale(running, 1 - STATISTICS_MOMENTUM), scale(batch, STATISTICS_MOMENTUM));
        statistics.push({ variable: running, next });
      }
      return y;
    },
    dropout: (x, layer, path) => dropout(x, layer.rate, `${path}.coins`, layer.whole),
  };
  const { logits, stageFeatures } = applyStages(blueprint, batchLast(images), context);
  return { logits, stageFeatures, parameters, fixed, statistics };
}

/** The weights of a network that has seen nothing: enough for what does not depend on them, such as its time. */
export function initialWeights(blueprint: Blueprint, classes: number, seed = 0): Weights {
  const graph = buildTrainingGraph(blueprint, classes, input("images", [1, ...blueprint.input]), { seed });
  const all = [...graph.parameters, ...graph.fixed, ...graph.statistics.map(({ variable }) => variable)];
  return new Map(
    all.map(({ source, shape }): [string, NamedArray] => [source.name, { shape, data: source.initial() }]),
  );
}
