import { unbroadcast } from "./broadcast.ts";
import { DATA_TYPES } from "./elements.ts";
import {
  broadcastShape,
  checkSameType,
  differentiable,
  type ElementType,
  node,
  scalar,
  type Tensor,
} from "./tensor.ts";

function binary(operator: string, a: Tensor, b: Tensor, type: ElementType = a.type): Tensor {
  checkSameType(operator, a, b);
  return node(operator, [a, b], {}, broadcastShape(operator, a.shape, b.shape), type);
}

function unary(operator: string, x: Tensor): Tensor {
  return node(operator, [x], {}, x.shape, x.type);
}

export function add(a: Tensor, b: Tensor): Tensor {
  return differentiable(binary("Add", a, b), [a, b], (dy) => [unbroadcast(dy, a.shape), unbroadcast(dy, b.shape)]);
}

export function subtract(a: Tensor, b: Tensor): Tensor {
  return differentiable(binary("Sub", a, b), [a, b], (dy) => [
    unbroadcast(dy, a.shape),
    unbroadcast(negate(dy), b.shape),
  ]);
}

export function multiply(a: Tensor, b: Tensor): Tensor {
  return differentiable(binary("Mul", a, b), [a, b], (dy) => [
    unbroadcast(multiply(dy, b), a.shape),
    unbroadcast(multiply(dy, a), b.shape),
  ]);
}

/** a / b; d/da = 1 / b, d/db = -y / b */
export function divide(a: Tensor, b: Tensor): Tensor {
  const y = differentiable(binary("Div", a, b), [a, b], (dy) => {
    const da = divide(dy, b);
    return [unbroadcast(da, a.shape), unbroadcast(negate(multiply(da, y)), b.shape)];
  });
  return y;
}

export function scale(x: Tensor, factor: number): Tensor {
  return multiply(x, scalar(factor, x.type));
}

export function negate(x: Tensor): Tensor {
  return differentiable(unary("Neg", x), [x], (dy) => [negate(dy)]);
}

export function exp(x: Tensor): Tensor {
  const y = differentiable(unary("Exp", x), [x], (dy) => [multiply(dy, y)]);
  return y;
}

export function log(x: Tensor): Tensor {
  return differentiable(unary("Log", x), [x], (dy) => [divide(dy, x)]);
}

export function sqrt(x: Tensor): Tensor {
  const y = differentiable(unary("Sqrt", x), [x], (dy) => [divide(scale(dy, 0.5), y)]);
  return y;
}

/** max(x, 0); the gradient passes where y > 0 */
export function relu(x: Tensor): Tensor {
  const y: Tensor = differentiable(unary("Relu", x), [x], (dy) => [multiply(dy, isPositive(y))]);
  return y;
}

/** 1 where y > 0, else 0, for y >= 0: min(1, y * 1e38) in one pass, where a comparison and a cast take two. */
function isPositive(y: Tensor): Tensor {
  return node("HardSigmoid", [y], { alpha: { float: 1e38 }, beta: { float: 0 } }, y.shape);
}

export function sigmoid(x: Tensor): Tensor {
  const y = differentiable(unary("Sigmoid", x), [x], (dy) => [multiply(dy, multiply(y, subtract(scalar(1), y)))]);
  return y;
}

/** x * sigmoid(x), Elfwing et al. (2017); d/dx = s + y (1 - s) */
export function silu(x: Tensor): Tensor {
  const s = unary("Sigmoid", x);
  const y = differentiable(binary("Mul", x, s), [x], (dy) => [
    multiply(dy, add(s, multiply(y, subtract(scalar(1), s)))),
  ]);
  return y;
}

/** x * Phi(x), Hendrycks and Gimpel (2016), exact, in one node: Phi(x) = (1 + erf(x / sqrt 2)) / 2; d/dx = Phi(x) + x phi(x) */
export function gelu(x: Tensor): Tensor {
  return differentiable(unary("Gelu", x), [x], (dy) => {
    const phi = scale(add(unary("Erf", scale(x, Math.SQRT1_2)), scalar(1)), 0.5);
    const density = scale(exp(scale(multiply(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [multiply(dy, add(phi, multiply(x, density)))];
  });
}

/** The larger of the two, element by element. No gradient. */
export function maximum(a: Tensor, b: Tensor): Tensor {
  return binary("Max", a, b);
}

/** The smaller of the two, element by element. No gradient. */
export function minimum(a: Tensor, b: Tensor): Tensor {
  return binary("Min", a, b);
}

/** 1 where the comparison holds, else 0. No gradient. */
export function compare(a: Tensor, operator: "Equal" | "Greater" | "GreaterOrEqual" | "Less", b: Tensor): Tensor {
  return toFloat(binary(operator, a, b, "bool"));
}

export function toFloat(x: Tensor): Tensor {
  return cast(x, "float32");
}

/** The same values as elements of another type. No gradient. */
export function cast(x: Tensor, type: ElementType): Tensor {
  return node("Cast", [x], { to: DATA_TYPES[type] }, x.shape, type);
}
