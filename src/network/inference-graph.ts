import { UserError } from "../errors.ts";
import { subtract } from "../graph/elementwise.ts";
import { batchNorm } from "../graph/inference.ts";
import { constant, type Shape, type Tensor } from "../graph/tensor.ts";
import type { Blueprint } from "./blueprint.ts";
import { applyLayers, inferenceOperators, type LayerContext, type MapOperators } from "./layers.ts";
import type { Weights } from "./weights.ts";

/** One stage and the head at its end. */
export interface StageGraph {
  /** What the next stage takes: maps, their axes as the operators have them. */
  readonly features: Tensor;
  /** [B, K] */
  readonly logits: Tensor;
}

/**
 * One stage of the network as it is used: weights are constants (the runtime packs them once), batch norm uses the running
 * statistics, dropout does nothing. Give it a blueprint and weights that went through `foldBatchNorm`.
 *
 * @param x what the stage before gave, or images [B, C, H, W]
 * @param operators those of training take images [H, W, C, B]: for many at once they are faster (Winograd), for one they are not
 * @throws {UserError} if a weight is missing or has another shape
 */
export function buildInferenceStage(
  blueprint: Blueprint,
  weights: Weights,
  classes: number,
  stage: number,
  x: Tensor,
  operators: MapOperators = inferenceOperators,
): StageGraph {
  const context: LayerContext = {
    classes,
    operators,
    parameter: (name, shape) => constant(valuesOf(name, shape, weights), shape),
    fixed: (name, shape) => constant(valuesOf(name, shape, weights), shape),
    batchNorm: (value, path, channels, bias) => {
      const [gamma, beta, mean, variance] = ["gamma", "beta", "mean", "variance"].map((suffix) =>
        context.parameter(`${path}.${suffix}`, [channels]),
      ) as [Tensor, Tensor, Tensor, Tensor];
      const before = bias ? subtract(mean, bias) : mean; // of the values without the bias
      return batchNorm(value, gamma, beta, before, variance, value.shape.length === 4 ? operators.channelAxis : 1);
    },
    dropout: (value) => value,
  };
  const { layers, head } = blueprint.stages[stage]!;
  const features = applyLayers(layers, x, `stages.${stage}.layers`, context);
  return { features, logits: applyLayers(head, features, `stages.${stage}.head`, context) };
}

/** All stages one after the other: the logits of every exit. */
export function buildInferenceGraph(
  blueprint: Blueprint,
  weights: Weights,
  classes: number,
  images: Tensor,
  operators: MapOperators = inferenceOperators,
): StageGraph[] {
  const stages: StageGraph[] = [];
  for (let i = 0; i < blueprint.stages.length; i++)
    stages.push(buildInferenceStage(blueprint, weights, classes, i, stages[i - 1]?.features ?? images, operators));
  return stages;
}

function valuesOf(name: string, shape: Shape, weights: Weights): Float32Array {
  const found = weights.get(name);
  if (!found || found.shape.join() !== shape.join())
    throw new UserError(
      `network: weight ${name} of shape [${shape}] expected, found ${found ? `[${found.shape}]` : "none"}; ` +
        "the weights belong to another blueprint",
    );
  return found.data;
}
