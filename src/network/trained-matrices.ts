/** Operators of ONNX on matrices and rows, with their gradients: see `trained-operators.ts`. */
import { add, divide, multiply, sqrt, subtract } from "../graph/elementwise.ts";
import { transpose } from "../graph/layout.ts";
import { linear, matMul, swapLast } from "../graph/linear.ts";
import { reduceMean } from "../graph/reduce.ts";
import { scalar, type Tensor } from "../graph/tensor.ts";
import { asPlain, type NodeView, NotTrainable, type Value } from "./trained-value.ts";

/** alpha x W + beta b; the file's W is [in, out], or [out, in] where it says `transB`. */
export function gemm(node: NodeView): Value {
  const x = node.value(0);
  if (node.integer("transA", 0) === 1) throw new NotTrainable("rows of pictures expected, found them turned round");
  if (node.float("alpha", 1) !== 1 || node.float("beta", 1) !== 1)
    throw new NotTrainable("factors alpha and beta of 1 expected, found others");
  const plain = asPlain(x);
  if (!node.isConstant(1)) throw new NotTrainable("stored weights expected, found computed ones");
  const weight = node.parameter(1, "weight");
  const turned = node.integer("transB", 0) === 1 ? weight : swapLast(weight);
  const y = linear(plain, turned);
  const tensor = node.has(2) ? add(y, node.parameter(2, "bias")) : y;
  return { tensor, isMap: false, isTrained: true };
}

/** Of two values, or of a value and weights. */
export function matMulOf(node: NodeView): Value {
  const sides = [0, 1].map((i) => (node.isConstant(i) ? node.parameter(i, "weight") : asPlain(node.value(i)))) as [
    Tensor,
    Tensor,
  ];
  if (sides.some(({ shape }) => shape.length < 2)) throw new NotTrainable("matrices expected, found a vector");
  const isTrained = [0, 1].some((i) => node.isConstant(i) || node.value(i).isTrained);
  return { tensor: matMul(...sides), isMap: false, isTrained };
}

/** An operator over one axis, by one over the last. */
export function alongAxis(build: (x: Tensor) => Tensor): (node: NodeView) => Value {
  return (node) => {
    const x = node.value(0);
    const plain = asPlain(x);
    const rank = plain.shape.length;
    const axis = node.integer("axis", -1);
    const along = axis < 0 ? axis + rank : axis;
    if (along === rank - 1) return { tensor: build(plain), isMap: false, isTrained: x.isTrained };
    const order = plain.shape.map((_, i) => (i === along ? rank - 1 : i === rank - 1 ? along : i));
    const turned = transpose(build(transpose(plain, order)), order);
    return { tensor: turned, isMap: false, isTrained: x.isTrained };
  };
}

/** (x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axes. Ba, Kiros and Hinton (2016) */
export function layerNormalization(node: NodeView): Value {
  const x = node.value(0);
  const plain = asPlain(x);
  const rank = plain.shape.length;
  const axis = node.integer("axis", -1);
  const axes = Array.from({ length: rank }, (_, i) => i).slice(axis);
  if (node.node.output.filter(Boolean).length > 1)
    throw new NotTrainable("the result alone expected, found its statistics too");
  const centred = subtract(plain, reduceMean(plain, axes, true));
  const variance = reduceMean(multiply(centred, centred), axes, true);
  const normal = divide(centred, sqrt(add(variance, scalar(node.float("epsilon", 1e-5)))));
  const scaled = multiply(normal, node.parameter(1, "gamma"));
  return { tensor: node.has(2) ? add(scaled, node.parameter(2, "beta")) : scaled, isMap: false, isTrained: true };
}
