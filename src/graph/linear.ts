import { reduceSum, reshape, unbroadcast } from "./broadcast.ts";
import { add, multiply, scale } from "./elementwise.ts";
import { transpose } from "./layout.ts";
import { broadcastShape, differentiable, node, sameShape, show, sizeOf, type Tensor } from "./tensor.ts";

/**
 * Matrix product over the last two axes, [..., M, K] x [..., K, N] -> [..., M, N]; leading axes broadcast.
 * da = dy b^T, db = a^T dy. Where b has two axes only, db is one product over all rows of a.
 */
export function matMul(a: Tensor, b: Tensor): Tensor {
  const [m, k] = a.shape.slice(-2) as [number, number];
  const [rows, n] = b.shape.slice(-2) as [number, number];
  if (a.shape.length < 2 || b.shape.length < 2 || k !== rows)
    throw new RangeError(`matMul: [..., M, K] and [..., K, N] expected, found ${show(a.shape)} and ${show(b.shape)}`);
  const lead = broadcastShape("matMul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  return differentiable(node("MatMul", [a, b], {}, [...lead, m, n], a.type), [a, b], (dy) => {
    const da = matMul(dy, swapLast(b));
    if (b.shape.length === 2) {
      const flat = (x: Tensor): Tensor => reshape(x, [sizeOf(x.shape) / x.shape.at(-1)!, x.shape.at(-1)!]);
      return [da, matMul(swapLast(flat(a)), flat(dy))];
    }
    return [unbroadcast(da, a.shape), unbroadcast(matMul(swapLast(a), dy), b.shape)];
  });
}

/** [..., M, N] -> [..., N, M] */
export function swapLast(x: Tensor): Tensor {
  const rank = x.shape.length;
  return transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
}

/**
 * y = x W^T + b
 *
 * @param x [B, in]
 * @param weight [out, in]
 * @param bias [out]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [out, inputs] = weight.shape as [number, number];
  if (x.shape.length !== 2 || weight.shape.length !== 2 || x.shape[1] !== inputs)
    throw new RangeError(`linear: x [B, ${inputs}] expected for weight ${show(weight.shape)}, found ${show(x.shape)}`);
  if (bias && !sameShape(bias.shape, [out]))
    throw new RangeError(`linear: bias [${out}] expected, found ${show(bias.shape)}`);
  const y = node("Gemm", bias ? [x, weight, bias] : [x, weight], { transB: 1 }, [x.shape[0]!, out], x.type);
  return differentiable(y, bias ? [x, weight, bias] : [x, weight], (dy) => [
    matMul(dy, weight), // [B, in]
    matMul(transpose(dy, [1, 0]), x), // [out, in]
    ...(bias ? [reduceSum(dy, [0])] : []),
  ]);
}

/** factor * y, within the product that y comes from where that is one (`linear`), else by a node of its own. No gradient. */
export function scaledProduct(y: Tensor, factor: number): Tensor {
  const { source } = y;
  if (
    source.kind !== "node" ||
    source.operator !== "Gemm" ||
    "alpha" in source.attributes ||
    "beta" in source.attributes
  )
    return scale(y, factor);
  const attributes = { ...source.attributes, alpha: { float: factor }, beta: { float: factor } };
  return node("Gemm", source.inputs, attributes, y.shape, y.type);
}

/** Adds one number per channel. @param x [B, C, ...] @param bias [C] */
export function addPerChannel(x: Tensor, bias: Tensor): Tensor {
  return add(x, reshape(bias, [bias.shape[0]!, ...x.shape.slice(2).map(() => 1)]));
}

/** Multiplies by one number per channel. @param x [B, C, ...] @param slope [C] */
export function multiplyPerChannel(x: Tensor, slope: Tensor): Tensor {
  return multiply(x, reshape(slope, [slope.shape[0]!, ...x.shape.slice(2).map(() => 1)]));
}
