import { UserError } from "../errors.ts";
import { BATCH_NORM_EPSILON } from "../graph/batchnorm.ts";
import type { Blueprint, Layer } from "./blueprint.ts";
import type { NamedArray, Weights } from "./weights.ts";

type Stage = Blueprint["stages"][number];

/**
 * Batch norm with fixed statistics is y = a x + b per channel, so it can disappear into its neighbours:
 * into the convolution or linear layer before it, W' = a W and bias' = a bias + b,
 * or into the linear layer after it, W' = W diag(a) and bias' = bias + W b.
 * A max pool may stand between it and the layer before where no a is negative: max(a x + b) = a max(x) + b.
 * What disappears becomes an `identity`, so that every other layer keeps its name. One that fits neither case stays.
 *
 * @param stages those to fold, default: all. The others stay as they are.
 * @throws {UserError} if a weight is missing
 */
export function foldBatchNorm(
  blueprint: Blueprint,
  weights: Weights,
  stages: readonly number[] = [...blueprint.stages.keys()],
): { blueprint: Blueprint; weights: Weights } {
  const folded = new Map(weights);
  const foldStage = (stage: Stage, i: number): Stage => ({
    layers: foldList(stage.layers, `stages.${i}.layers`, folded),
    head: foldList(stage.head, `stages.${i}.head`, folded),
  });
  const after = blueprint.stages.map((stage, i) => (stages.includes(i) ? foldStage(stage, i) : stage));
  return { blueprint: { ...blueprint, stages: after }, weights: folded };
}

function foldList(layers: readonly Layer[], path: string, weights: Map<string, NamedArray>): Layer[] {
  const result = layers.map((layer, i) => foldInside(layer, `${path}.${i}`, weights));
  for (let i = 0; i < result.length; i++) {
    if (result[i]!.type !== "batchNorm") continue;
    const affine = affineOf(`${path}.${i}`, weights);
    const isRising = affine.slope.every((one) => one >= 0);
    const at = isRising && result[i - 1]?.type === "maxPool" ? i - 2 : i - 1;
    const before = result[at];
    const after = result.findIndex(({ type }, j) => j > i && type !== "identity" && type !== "dropout");
    const next = result[after];
    if (before?.type === "conv" || before?.type === "depthwiseConv" || before?.type === "linear") {
      foldIntoPrevious(`${path}.${at}`, affine, weights);
      result[at] = { ...before, bias: true };
    } else if (next?.type === "linear") {
      foldIntoNext(`${path}.${after}`, affine, weights);
      result[after] = { ...next, bias: true };
    } else continue;
    result[i] = { type: "identity" };
  }
  return result;
}

function foldInside(layer: Layer, path: string, weights: Map<string, NamedArray>): Layer {
  switch (layer.type) {
    case "residual":
      return {
        ...layer,
        layers: foldList(layer.layers, `${path}.layers`, weights),
        shortcut: foldList(layer.shortcut ?? [], `${path}.shortcut`, weights),
      };
    case "parallel":
      return { ...layer, branches: layer.branches.map((one, i) => foldList(one, `${path}.branches.${i}`, weights)) };
    default:
      return layer;
  }
}

function affineOf(path: string, weights: Weights): { slope: Float32Array; offset: Float32Array } {
  const [gamma, beta, mean, variance] = ["gamma", "beta", "mean", "variance"].map(
    (one) => lookUp(`${path}.${one}`, weights).data,
  );
  const slope = gamma!.map((value, c) => value / Math.sqrt(variance![c]! + BATCH_NORM_EPSILON));
  return { slope, offset: beta!.map((value, c) => value - mean![c]! * slope[c]!) };
}

function lookUp(name: string, weights: Weights): NamedArray {
  const found = weights.get(name);
  if (!found)
    throw new UserError(`network: weights with ${name} expected, found none; the file belongs to another blueprint`);
  return found;
}

type Affine = ReturnType<typeof affineOf>;

function foldIntoPrevious(path: string, { slope, offset }: Affine, weights: Map<string, NamedArray>): void {
  const { shape, data } = lookUp(`${path}.weight`, weights);
  const bias = weights.get(`${path}.bias`)?.data;
  const perOutput = data.length / shape[0]!;
  const scaled = new Float32Array(data.length);
  for (const [o, factor] of slope.entries())
    for (let i = o * perOutput; i < (o + 1) * perOutput; i++) scaled[i] = data[i]! * factor;
  weights.set(`${path}.weight`, { shape, data: scaled });
  weights.set(`${path}.bias`, {
    shape: [shape[0]!],
    data: offset.map((value, o) => value + slope[o]! * (bias?.[o] ?? 0)),
  });
}

function foldIntoNext(path: string, { slope, offset }: Affine, weights: Map<string, NamedArray>): void {
  const { shape, data } = lookUp(`${path}.weight`, weights);
  const [outputs, inputs] = shape as [number, number];
  const bias = Float32Array.from(weights.get(`${path}.bias`)?.data ?? new Float32Array(outputs));
  const scaled = data.map((value, i) => value * slope[i % inputs]!);
  for (let i = 0; i < data.length; i++) bias[Math.floor(i / inputs)]! += data[i]! * offset[i % inputs]!;
  weights.set(`${path}.weight`, { shape, data: scaled });
  weights.set(`${path}.bias`, { shape: [outputs], data: bias });
}
