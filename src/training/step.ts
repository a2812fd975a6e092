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
 * loss = sum over exits of weight_k ((1 - d) own_k + d KL(last exit || exit k)), d = 0 for the last exit
 * own_k = (1 - t) crossEntropy_k + t KL(teacher || exit k), t = 0 without a teacher
 *
 * Inputs: images [B, C, H, W], targets [B, K], learningRate [], exitWeights [E], averageDecay [], and of a teacher
 * its logits [B, K].
 * Outputs: loss [], accuracy [E] on this batch, gradientNorm [], gradientSquares [P] the sum of squares for each of P parameters.
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
  const teacher = recipe.teacher ? input("teacher", targets.shape) : null;
  const loss = weightedLoss(network.logits, targets, recipe, teacher);
  const raw = gradients(loss, network.parameters);
  const { clipped, norm, squares } = clipByGlobalNorm(raw, recipe.gradientNorm ?? Number.MAX_VALUE);
  const filters = recipe.fixedWhitening ? network.fixed.map(({ source }) => source.name) : [];
  const isHeld = ({ source: { name } }: Variable) => filters.includes(name.replace(/\.bias$/, ".weight"));
  const trained = network.parameters.map((parameter, i) => ({
    ...(isHeld(parameter) ? { rateFactor: 0 } : groupOf(parameter, recipe, network.rateFactors)),
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
      gradientSquares: concat(
        squares.map((one) => reshape(one, [1])),
        0,
      ),
    },
    updates: [
      ...optimized,
      ...network.statistics,
      ...(recipe.averageDecay === null ? [] : movingAverages(followed, input("averageDecay", []))),
    ],
  };
}

function weightedLoss(logits: readonly Tensor[], targets: Tensor, recipe: Recipe, teacher: Tensor | null): Tensor {
  const last = logits.at(-1)!;
  const { weight = 0, temperature = 1 } = recipe.distillation ?? {};
  const losses = logits.map((own) => {
    const plain = taughtLoss(own, targets, recipe, teacher);
    if (weight === 0 || own === last) return plain;
    return add(scale(plain, 1 - weight), scale(distillation(own, last, temperature), weight));
  });
  const perExit = concat(
    losses.map((one) => reshape(one, [1])),
    0,
  ); // [E]
  return reduceSum(multiply(perExit, input("exitWeights", [logits.length])));
}

/** (1 - w) cross entropy + w KL(teacher || exit), where there is a teacher. */
function taughtLoss(own: Tensor, targets: Tensor, recipe: Recipe, teacher: Tensor | null): Tensor {
  const plain = crossEntropy(own, targets, recipe.labelSmoothing);
  if (!teacher || !recipe.teacher) return plain;
  const { weight, temperature } = recipe.teacher;
  const soft = scale(distillation(own, teacher, temperature), weight);
  return weight === 1 ? soft : add(scale(plain, 1 - weight), soft);
}

/** Biases, batch norm's among them, have their own rate; neither they nor batch norm's slopes decay. */
function groupOf(
  { source: { name }, shape }: Variable,
  recipe: Recipe,
  rateFactors?: ReadonlyMap<string, number>,
): Pick<Trained, "rateFactor" | "decay"> {
  const own = rateFactors?.get(name) ?? 1;
  if (name.endsWith(".weight"))
    return {
      rateFactor: own * (shape.length === 2 ? recipe.linearRateFactor : 1),
      decay: recipe.optimizer.weightDecay,
    };
  return { rateFactor: own * (name.endsWith(".gamma") ? 1 : recipe.biasRateFactor) };
}
