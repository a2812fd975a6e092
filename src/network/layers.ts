import { conv2d } from "../graph/conv.ts";
import { add, gelu, relu, silu } from "../graph/elementwise.ts";
import { concat } from "../graph/layout.ts";
import { linear } from "../graph/linear.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "../graph/pool.ts";
import { type Shape, sameShape, show, type Tensor } from "../graph/tensor.ts";
import type { Layer } from "./blueprint.ts";

/** What differs between training and inference. */
export interface LayerContext {
  readonly classes: number;
  /** Nothing is fused for us: take the cheaper of two equal orders. */
  readonly training: boolean;
  parameter(name: string, shape: Shape): Tensor;
  /** Weights that are not trained. */
  fixed(name: string, shape: Shape): Tensor;
  batchNorm(x: Tensor, path: string): Tensor;
  dropout(x: Tensor, layer: Extract<Layer, { type: "dropout" }>, path: string): Tensor;
}

/**
 * Applies layers one after the other. A layer's parameters are named by where it stands, for example
 * `stages.0.layers.3.weight`.
 *
 * @throws {RangeError} from the operator whose shape does not fit, with the layer's path in front
 */
export function applyLayers(layers: readonly Layer[], x: Tensor, path: string, context: LayerContext): Tensor {
  let value = x;
  for (let i = 0; i < layers.length; i++) {
    const pool = layers[i + 1];
    // The largest of rectified values is the rectified largest value; the second way rectifies a smaller map.
    if (context.training && layers[i]!.type === "relu" && pool?.type === "maxPool") {
      i++;
      value = relu(applyLayer(pool, value, `${path}.${i}`, context));
    } else value = applyLayer(layers[i]!, value, `${path}.${i}`, context);
  }
  return value;
}

function applyLayer(layer: Layer, x: Tensor, path: string, context: LayerContext): Tensor {
  try {
    switch (layer.type) {
      case "conv":
        return applyConv(layer, x, path, context);
      case "whitening":
        return applyWhitening(layer, x, path, context);
      case "depthwiseConv":
        return applyConv({ ...layer, type: "conv", channels: x.shape[1]!, groups: x.shape[1]! }, x, path, context);
      case "linear":
        return applyLinear(layer, x, path, context);
      case "batchNorm":
        return context.batchNorm(x, path);
      case "dropout":
        return context.dropout(x, layer, path);
      case "relu":
        return relu(x);
      case "gelu":
        return gelu(x);
      case "silu":
        return silu(x);
      case "maxPool":
        return maxPool(x, layer.size);
      case "averagePool":
        return averagePool(x, layer.size);
      case "globalAveragePool":
        return globalAveragePool(x);
      case "globalMaxPool":
        return globalMaxPool(x);
      case "identity":
        return x;
      case "residual":
        return applyResidual(layer, x, path, context);
      case "parallel":
        return concat(
          layer.branches.map((branch, i) => applyLayers(branch, x, `${path}.branches.${i}`, context)),
          1,
        );
    }
  } catch (error) {
    if (error instanceof RangeError && !error.message.startsWith("stages"))
      throw new RangeError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
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
  const weight = context.parameter(`${path}.weight`, [channels, Math.floor(x.shape[1]! / groups), kernel, kernel]);
  const bias = layer.bias ? { bias: context.parameter(`${path}.bias`, [channels]) } : {};
  return conv2d(x, weight, { stride, groups, ...bias });
}

function applyWhitening(
  { channels, stride = 1 }: Extract<Layer, { type: "whitening" }>,
  x: Tensor,
  path: string,
  context: LayerContext,
): Tensor {
  const inputs = x.shape[1]!;
  if (path !== "stages.0.layers.0" || channels > 18 * inputs)
    throw new RangeError(
      `whitening: the first layer of the network expected, with at most ${18 * inputs} channels, found ${channels}`,
    );
  const weight = context.fixed(`${path}.weight`, [channels, inputs, 3, 3]);
  return conv2d(x, weight, { stride, bias: context.parameter(`${path}.bias`, [channels]) });
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
