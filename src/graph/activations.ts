/** Activations that networks of others are made of, each with its gradient; ours are in `elementwise.ts`. */
import { add, exp, multiply, relu, scale, sigmoid, subtract } from "./elementwise.ts";
import { differentiable, node, scalar, type Tensor } from "./tensor.ts";

/** Steep enough that any float32 above zero becomes 1; a power of two, so that a bound times it is exact. */
const STEEP = 2 ** 100;

/** min(max(x, least), most); the gradient passes where the value lies between. Either may be infinite. */
export function clip(x: Tensor, least: number, most: number): Tensor {
  const bounds = [Number.isFinite(least) ? scalar(least) : null, Number.isFinite(most) ? scalar(most) : null];
  if (!bounds[0] && !bounds[1]) return x;
  const y: Tensor = node("Clip", bounds[1] ? [x, ...bounds] : [x, bounds[0]!], {}, x.shape, x.type);
  return differentiable(y, [x], (dy) => {
    const above = bounds[0] ? [isAbove(y, least)] : [];
    const below = bounds[1] ? [isBelow(y, most)] : [];
    return [[...above, ...below].reduce(multiply, dy)];
  });
}

/** 1 where x > bound, else 0, for x >= bound: one pass, where a comparison and a cast take two. */
function isAbove(x: Tensor, bound: number): Tensor {
  return node("HardSigmoid", [x], { alpha: { float: STEEP }, beta: { float: -Math.fround(bound) * STEEP } }, x.shape);
}

/** 1 where x < bound, else 0, for x <= bound */
function isBelow(x: Tensor, bound: number): Tensor {
  return node("HardSigmoid", [x], { alpha: { float: -STEEP }, beta: { float: Math.fround(bound) * STEEP } }, x.shape);
}

/** x where it is positive, else slope * x. Maas et al. (2013) */
export function leakyRelu(x: Tensor, slope: number): Tensor {
  return add(scale(relu(x), 1 - slope), scale(x, slope));
}

/** min(max(slope x + offset, 0), 1) */
export function hardSigmoid(x: Tensor, slope: number, offset: number): Tensor {
  return clip(add(scale(x, slope), scalar(offset)), 0, 1);
}

/** x hardSigmoid(x, 1/6, 1/2), Howard et al., "Searching for MobileNetV3" (2019) */
export function hardSwish(x: Tensor): Tensor {
  return multiply(x, hardSigmoid(x, 1 / 6, 0.5));
}

/** 2 sigmoid(2 x) - 1 */
export function tanh(x: Tensor): Tensor {
  return subtract(scale(sigmoid(scale(x, 2)), 2), scalar(1));
}

/** d/dx = 2 / sqrt(pi) exp(-x^2) */
export function erf(x: Tensor): Tensor {
  return differentiable(node("Erf", [x], {}, x.shape, x.type), [x], (dy) => [
    multiply(dy, scale(exp(scale(multiply(x, x), -1)), 2 / Math.sqrt(Math.PI))),
  ]);
}
