import { compare, multiply, scale } from "./elementwise.ts";
import { reshape } from "./layout.ts";
import { reduceMax, reduceMean } from "./reduce.ts";
import { constant, differentiable, node, type Shape, show, type Tensor } from "./tensor.ts";

function pooledShape(where: string, x: Tensor, size: number): Shape {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  if (x.shape.length !== 4 || height % size !== 0 || width % size !== 0)
    throw new RangeError(`${where}: x [B, C, H, W] with H and W multiples of ${size} expected, found ${show(x.shape)}`);
  return [batch, channels, height / size, width / size];
}

function attributes(size: number) {
  return { kernel_shape: [size, size], strides: [size, size] };
}

/** Each value of y, repeated over the size x size square that it came from. */
function upsample(y: Tensor, size: number): Tensor {
  const [batch, channels, height, width] = y.shape as [number, number, number, number];
  const mode = { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
  const shape = [batch, channels, height * size, width * size];
  return node("Resize", [y, null, constant([1, 1, size, size])], mode, shape);
}

/**
 * Largest value of each size x size square.
 *
 * The gradient goes to the values that equal the largest: to every one of them at a tie. After a ReLU, where ties
 * are common, they are zeros that pass nothing on. (`MaxPool` with indices would pick one, on a single thread.)
 */
export function maxPool(x: Tensor, size = 2): Tensor {
  const y: Tensor = differentiable(
    node("MaxPool", [x], attributes(size), pooledShape("maxPool", x, size)),
    [x],
    (dy) => [multiply(compare(x, "Equal", upsample(y, size)), upsample(dy, size))],
  );
  return y;
}

/** Mean of each size x size square. */
export function averagePool(x: Tensor, size = 2): Tensor {
  const y = node("AveragePool", [x], attributes(size), pooledShape("averagePool", x, size));
  return differentiable(y, [x], (dy) => [upsample(scale(dy, 1 / (size * size)), size)]);
}

/** Mean over H and W: [B, C, H, W] -> [B, C] */
export function globalAveragePool(x: Tensor): Tensor {
  return reduceMean(x, [2, 3]);
}

/** Largest over H and W: [B, C, H, W] -> [B, C]. Ties share the gradient as in `maxPool`. */
export function globalMaxPool(x: Tensor): Tensor {
  const [batch, channels] = x.shape as [number, number];
  const highest = reduceMax(x, [2, 3], true); // [B, C, 1, 1]
  return differentiable(reshape(highest, [batch, channels]), [x], (dy) => [
    multiply(compare(x, "Equal", highest), reshape(dy, [batch, channels, 1, 1])),
  ]);
}
