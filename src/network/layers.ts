import * as training from "../graph/conv.ts";
import { add, gelu, relu, silu } from "../graph/elementwise.ts";
import * as inference from "../graph/inference.ts";
import { concat } from "../graph/layout.ts";
import { linear } from "../graph/linear.ts";
import * as trainingPools from "../graph/pool.ts";
import { type Shape, sameShape, show, type Tensor } from "../graph/tensor.ts";
import type { Blueprint, Layer } from "./blueprint.ts";

/**
 * The operators on maps, for one order of their axes. Written out by name: a module taken as an object would make bundlers put
 * their helpers into the page's first chunk, which the threads of ONNX Runtime in a browser would then load and run as well.
 */
export interface MapOperators
  extends Pick<
    typeof training & typeof trainingPools,
    "conv2d" | "maxPool" | "averagePool" | "globalAveragePool" | "globalMaxPool"
  > {
  /** Where a map has its channels. */
  readonly channelAxis: number;
}

/** Maps [H, W, C, B], with gradients: see `plane.ts`. */
export const trainingOperators: MapOperators = {
  conv2d: training.conv2d,
  maxPool: trainingPools.maxPool,
  averagePool: trainingPools.averagePool,
  globalAveragePool: trainingPools.globalAveragePool,
  globalMaxPool: trainingPools.globalMaxPool,
  channelAxis: 2,
};

/** Maps [B, C, H, W], each operator one node that the runtime fuses: see `inference.ts`. */
export const inferenceOperators: MapOperators = {
  conv2d: inference.conv2d,
  maxPool: inference.maxPool,
  averagePool: inference.averagePool,
  globalAveragePool: inference.globalAveragePool,
  globalMaxPool: inference.globalMaxPool,
  channelAxis: 1,
};

/** What differs between training and inference. */
export interface LayerContext {
  readonly classes: number;
  readonly operators: MapOperators;
  parameter(name: string, shape: Shape): Tensor;
  /** Weights that are not trained. */
  fixed(name: string, shape: Shape): Tensor;
  /**
   * @param channels of x
   * @param bias of the convolution before it, where that did not add it
   */
  batchNorm(x: Tensor, path: string, channels: number, bias?: Tensor): Tensor;
  dropout(x: Tensor, layer: Extract<Layer, { type: "dropout" }>, path: string): Tensor;
}

/**
 * Applies all stages one after the other, and each head to what its stage gives.
 *
 * @param x images, their axes in the order of the context's operators
 * @returns logits [B, K] of every exit, and the maps at the end of every stage
 * @throws {RangeError} as `applyLayers`, and if a head does not end in logits
 */
export function applyStages({ stages }: Blueprint, x: Tensor, context: LayerContext) {
  const logits: Tensor[] = [];
  const stageFeatures: Tensor[] = [];
  for (const [i, { layers, head }] of stages.entries()) {
    stageFeatures.push(applyLayers(layers, stageFeatures[i - 1] ?? x, `stages.${i}.layers`, context));
    const answer = applyLayers(head, stageFeatures[i]!, `stages.${i}.head`, context);
    if (answer.shape.length !== 2 || answer.shape[1] !== context.classes)
      throw new RangeError(
        `stages.${i}.head: logits [B, ${context.classes}] expected, found ${show(answer.shape)}; ` +
          'end the head with a linear layer of "classes" features',
      );
    logits.push(answer);
  }
  return { logits, stageFeatures };
}

/**
 * Applies layers one after the other. A layer's parameters are named by where it stands, for example
 * `stages.0.layers.3.weight`.
 *
 * @throws {RangeError} from the operator whose shape does not fit, with the layer's path in front
 */
export function applyLayers(layers: readonly Layer[], x: Tensor, path: string, context: LayerContext): Tensor {
  const isTraining = context.operators === trainingOperators; // in inference the runtime fuses layers as they stand
  let value = x;
  for (let i = 0; i < layers.length; i++) {
    const [layer, next] = [layers[i]!, layers[i + 1]];
    const [here, after] = [`${path}.${i}`, `${path}.${i + 1}`];
    if (isTraining && layer.type === "relu" && next?.type === "maxPool") {
      // The largest of rectified values is the rectified largest value; this way a smaller map is rectified.
      value = relu(applyLayer(next, value, after, context));
      i++;
    } else if (isTraining && isBiasedConv(layer) && next?.type === "batchNorm") {
      // A batch norm takes off what a bias adds, so that the map need not be read and written for it.
      value = applyLayer({ ...layer, bias: false }, value, here, context);
      const channels = channelsOf(value, context);
      value = context.batchNorm(value, after, channels, context.parameter(`${here}.bias`, [channels]));
      i++;
    } else value = applyLayer(layer, value, here, context);
  }
  return value;
}

function isBiasedConv(layer: Layer): layer is Extract<Layer, { type: "conv" | "depthwiseConv" }> {
  return (layer.type === "conv" || layer.type === "depthwiseConv") && layer.bias === true;
}

function applyLayer(layer: Layer, x: Tensor, path: string, context: LayerContext): Tensor {
  const { operators } = context;
  const channels = channelsOf(x, context);
  try {
    switch (layer.type) {
      case "conv":
        return applyConv(layer, x, path, context);
      case "whitening":
        return applyWhitening(layer, x, path, context);
      case "depthwiseConv":
        return applyConv({ ...layer, type: "conv", channels, groups: channels }, x, path, context);
      case "linear":
        return applyLinear(layer, x, path, context);
      case "batchNorm":
        return context.batchNorm(x, path, channels);
      case "dropout":
        return context.dropout(x, layer, path);
      case "relu":
        return relu(x);
      case "gelu":
        return gelu(x);
      case "silu":
        return silu(x);
      case "maxPool":
        return operators.maxPool(x, layer.size);
      case "averagePool":
        return operators.averagePool(x, layer.size);
      case "globalAveragePool":
        return operators.globalAveragePool(x);
      case "globalMaxPool":
        return operators.globalMaxPool(x);
      case "identity":
        return x;
      case "residual":
        return applyResidual(layer, x, path, context);
      case "parallel":
        return applyParallel(layer, x, path, context);
    }
  } catch (error) {
    if (error instanceof RangeError && !error.message.startsWith("stages"))
      throw new RangeError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Of maps, or of features [B, C]. */
function channelsOf(x: Tensor, { operators }: LayerContext): number {
  return x.shape[x.shape.length === 4 ? operators.channelAxis : 1]!;
}

function applyParallel(
  { branches }: Extract<Layer, { type: "parallel" }>,
  x: Tensor,
  path: string,
  context: LayerContext,
): Tensor {
  const parts = branches.map((branch, i) => applyLayers(branch, x, `${path}.branches.${i}`, context));
  return concat(parts, parts[0]!.shape.length === 4 ? context.operators.channelAxis : 1);
}

function applyResidual(
  layer: Extract<Layer, { type: "residual" }>,
  x: Tensor,
  path: string,
  context: LayerContext,
): Tensor {
  const y = applyLayers(layer.layers, x, `${path}.layers`, context);
  const shortcut = applyLayers(layer.shortcut ?? [], x, `${path}.shortcut`, context);
  if (!sameShape(y.shape, shortcut.shape))
    throw new RangeError(
      `residual: layers and shortcut of one shape expected, found ${show(y.shape)} and ${show(shortcut.shape)}`,
    );
  return add(y, shortcut);
}

function applyConv(layer: Extract<Layer, { type: "conv" }>, x: Tensor, path: string, context: LayerContext): Tensor {
  const { channels, kernel = 3, stride = 1, groups = 1 } = layer;
  const perGroup = Math.floor(channelsOf(x, context) / groups);
  const weight = context.parameter(`${path}.weight`, [channels, perGroup, kernel, kernel]);
  const bias = layer.bias ? { bias: context.parameter(`${path}.bias`, [channels]) } : {};
  return context.operators.conv2d(x, weight, { stride, groups, ...bias });
}

function applyWhitening(
  { channels, stride = 1 }: Extract<Layer, { type: "whitening" }>,
  x: Tensor,
  path: string,
  context: LayerContext,
): Tensor {
  const inputs = channelsOf(x, context);
  if (path !== "stages.0.layers.0" || channels > 18 * inputs)
    throw new RangeError(
      `whitening: the first layer of the network expected, with at most ${18 * inputs} channels, found ${channels}`,
    );
  const weight = context.fixed(`${path}.weight`, [channels, inputs, 3, 3]);
  return context.operators.conv2d(x, weight, { stride, bias: context.parameter(`${path}.bias`, [channels]) });
}

function applyLinear(
  layer: Extract<Layer, { type: "linear" }>,
  x: Tensor,
  path: string,
  context: LayerContext,
): Tensor {
  const features = layer.features === "classes" ? context.classes : layer.features;
  const weight = context.parameter(`${path}.weight`, [features, x.shape[1]!]);
  return linear(x, weight, layer.bias === false ? undefined : context.parameter(`${path}.bias`, [features]));
}
