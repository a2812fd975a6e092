import { reduceSum, reshape } from "../graph/broadcast.ts";
import { add, multiply, scale } from "../graph/elementwise.ts";
import { gradients } from "../graph/gradients.ts";
import { concat } from "../graph/layout.ts";
import { accuracy, crossEntropy, distillation } from "../graph/loss.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { adamW, clipByGlobalNorm, movingAverages, sgd, type Trained } from "../graph/optimizer.ts";
import { input, type Tensor, type Variable } from "../graph/tensor.ts";
import type { Trainable } from "../network/staged-network.ts";
import type { Weights } from "../network/weights.ts";
import type { Recipe } from "./recipe.ts";

/**
 * One training step as one graph: forward through all exits, loss, gradients, optimizer, running statistics, averages.
 *
 * loss = sum over exits of weight_k ((1 - d) crossEntropy_k + d KL(last exit || exit k)), d = 0 for the last exit.
 *
 * Inputs: images [B, C, H, W], targets [B, K], learningRate [], exitWeights [E], averageDecay [].
 * Outputs: loss [], accuracy [E] on this batch, gradientNorm [].
 */
export function buildTrainingStep(
  trainable: Trainable,
  recipe: Recipe,
  { seed = 0, start }: { seed?: number; start?: Weights | undefined } = {},
): GraphDefinition {
  const images = input("images", [recipe.batchSize, ...trainable.imageShape]);
  const targets = input("targets", [recipe.batchSize, trainable.classes.length]);
  const network = trainable.graph(images, {
    seed,
    initialisation: recipe.initialisation,
    ...(start ? { start } : {}),
  });
  const loss = weightedLoss(network.logits, targets, recipe);
  const raw = gradients(loss, network.parameters);
  const { clipped, norm } = clipByGlobalNorm(raw, recipe.gradientNorm ?? Number.MAX_VALUE);
  const filters = recipe.fixedWhitening ? network.fixed.map(({ source }) => source.name) : [];
  const isHeld = ({ source: { name } }: Variable) => filters.includes(name.replace(/\.bias$/, ".weight"));
  const trained = network.parameters.map((parameter, i) => ({
    ...(isHeld(parameter) ? { rateFactor: 0 } : groupOf(parameter, recipe)),
    parameter,
    gradient: recipe.gradientNorm === null ? raw[i]! : clipped[i]!,
  }));
  const rate = input("learningRate", []);
  const optimized =
    recipe.optimizer.name === "sgd"
      ? sgd(trained, rate, { momentum: recipe.optimizer.momentum })
      : adamW(trained, rate);
  const parameters = new Set(network.parameters);
  const followed = [...optimized.filter(({ variable }) => parameters.has(variable)), ...network.statistics];
  return {
    outputs: {
      loss,
      accuracy: concat(
        network.logits.map((logits) => reshape(accuracy(logits, targets), [1])),
        0,
      ),
      gradientNorm: norm,
    },
    updates: [
      ...optimized,
      ...network.statistics,
      ...(recipe.averageDecay === null ? [] : movingAverages(followed, input("averageDecay", []))),
    ],
  };
}

function weightedLoss(logits: readonly Tensor[], targets: Tensor, recipe: Recipe): Tensor {
  const teacher = logits.at(-1)!;
  const { weight = 0, temperature = 1 } = recipe.distillation ?? {};
  const losses = logits.map((own) => {
    const plain = crossEntropy(own, targets, recipe.labelSmoothing);
    if (weight === 0 || own === teacher) return plain;
    return add(scale(plain, 1 - weight), scale(distillation(own, teacher, temperature), weight));
  });
  const perExit = concat(
    losses.map((one) => reshape(one, [1])),
    0,
  ); // [E]
  return reduceSum(multiply(perExit, input("exitWeights", [logits.length])));
}

/** Biases, batch norm's among them, have their own rate; neither they nor batch norm's slopes decay. */
function groupOf({ source, shape }: Variable, recipe: Recipe): Pick<Trained, "rateFactor" | "decay"> {
  if (source.name.endsWith(".weight"))
    return { rateFactor: shape.length === 2 ? recipe.linearRateFactor : 1, decay: recipe.optimizer.weightDecay };
  return source.name.endsWith(".gamma") ? {} : { rateFactor: recipe.biasRateFactor };
}
