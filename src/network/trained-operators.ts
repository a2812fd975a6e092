/**
 * The operators of ONNX that can be trained, in the form of opset 20: one line or one small function for each, which gives the value
 * with its gradient. What stands in no line stays as it came. To add one: a line here, with a test of value and gradient.
 */
import { clip, erf, hardSigmoid, hardSwish, leakyRelu, tanh } from "../graph/activations.ts";
import { batchNorm } from "../graph/batchnorm.ts";
import { windowConv } from "../graph/conv.ts";
import {
  add,
  divide,
  exp,
  gelu,
  log,
  multiply,
  negate,
  relu,
  scale,
  sigmoid,
  sqrt,
  subtract,
} from "../graph/elementwise.ts";
import { batchNorm as fixedBatchNorm } from "../graph/inference.ts";
import { logSoftmax, softmax } from "../graph/loss.ts";
import { sameShape, scalar, show, type Tensor } from "../graph/tensor.ts";
import type { Along, Window } from "../graph/window.ts";
import { windowAveragePool, windowMaxPool } from "../graph/window-pool.ts";
import { concat, flat, gather, padded, reduced, sliced, split, transposed } from "./trained-layout.ts";
import { alongAxis, gemm, layerNormalization, matMulOf } from "./trained-matrices.ts";
import { asMap, besideMap, type NodeView, NotTrainable, type Value } from "./trained-value.ts";

/** What a node gives: one value, or several. @throws {NotTrainable} if it has a form that cannot be trained */
export type Build = (node: NodeView) => Value | readonly Value[];

export const TRAINED_OPERATORS: Readonly<Record<string, Build>> = {
  Conv: conv,
  BatchNormalization: batchNormalization,
  MaxPool: pool((x, window) => windowMaxPool(x, window)),
  AveragePool: pool((x, window, countsPadding) => windowAveragePool(x, window, countsPadding)),
  GlobalAveragePool: (node) => wholePool(node, (x, window) => windowAveragePool(x, window, false)),
  GlobalMaxPool: (node) => wholePool(node, windowMaxPool),
  ReduceMean: reduced("mean"),
  ReduceSum: reduced("sum"),
  Relu: each(relu),
  Clip: each((x, node) =>
    clip(x, node.number(1) ?? Number.NEGATIVE_INFINITY, node.number(2) ?? Number.POSITIVE_INFINITY),
  ),
  LeakyRelu: each((x, node) => leakyRelu(x, node.float("alpha", 0.01))),
  HardSigmoid: each((x, node) => hardSigmoid(x, node.float("alpha", 0.2), node.float("beta", 0.5))),
  HardSwish: each(hardSwish),
  Sigmoid: each(sigmoid),
  Tanh: each(tanh),
  Erf: each(erf),
  Gelu: each(geluOf),
  Exp: each(exp),
  Log: each(log),
  Sqrt: each(sqrt),
  Neg: each(negate),
  Pow: each(power),
  Identity: each((x) => x),
  Dropout: each((x) => x),
  Cast: each(castOf),
  Add: both(add, true),
  Sub: both(subtract),
  Mul: both(multiply, true),
  Div: both(divide),
  Sum: sum,
  Concat: concat,
  Split: split,
  Slice: sliced,
  Pad: padded,
  Transpose: transposed,
  Flatten: flat,
  Reshape: flat,
  Squeeze: flat,
  Unsqueeze: flat,
  Gather: gather,
  Gemm: gemm,
  MatMul: matMulOf,
  Softmax: alongAxis(softmax),
  LogSoftmax: alongAxis(logSoftmax),
  LayerNormalization: layerNormalization,
};

/** An operator on each number by itself, whatever the order of axes. */
function each(build: (x: Tensor, node: NodeView) => Tensor): Build {
  return (node) => {
    const x = node.value(0);
    return { ...x, tensor: build(x.tensor, node) };
  };
}

/** @param isLearned a constant on one side is trained: an offset that is added, a slope that is multiplied */
function both(build: (a: Tensor, b: Tensor) => Tensor, isLearned = false): Build {
  return (node) => {
    const values = [0, 1].map((i) => (node.isConstant(i) ? null : node.value(i)));
    const isTrained = values.some((value) => value?.isTrained);
    const isMap = values.some((value) => value?.isMap);
    const sides = values.map((value, i) => {
      if (value) return isMap ? asMap(value) : value.tensor;
      const given = constantSide(node, i, isLearned && isTrained);
      return isMap ? besideMap(given) : given;
    });
    return { tensor: build(sides[0]!, sides[1]!), isMap, isTrained };
  };
}

/** A constant as it is, or as a parameter; one number is a factor of a formula, and stays. */
function constantSide(node: NodeView, i: number, isLearned: boolean): Tensor {
  const stored = node.value(i).tensor;
  const isOne = stored.shape.every((size) => size === 1);
  if (isOne || !isLearned) return stored;
  return node.parameter(i, node.node.opType === "Mul" ? "gamma" : "beta");
}

function sum(node: NodeView): Value {
  const values = Array.from({ length: node.count }, (_, i) => node.value(i));
  const isMap = values.some((one) => one.isMap);
  const tensors = values.map((one) => (isMap ? asMap(one) : one.tensor));
  return { tensor: tensors.reduce(add), isMap, isTrained: values.some((one) => one.isTrained) };
}

function geluOf(x: Tensor, node: NodeView): Tensor {
  if (node.text("approximate", "none") === "none") return gelu(x);
  const inner = scale(add(x, scale(multiply(x, multiply(x, x)), 0.044715)), Math.sqrt(2 / Math.PI));
  return multiply(scale(x, 0.5), add(tanh(inner), scalar(1)));
}

function power(x: Tensor, node: NodeView): Tensor {
  const exponent = node.number(1);
  if (exponent === 2) return multiply(x, x);
  if (exponent === 0.5) return sqrt(x);
  throw new NotTrainable(`an exponent of 2 or 0.5 expected, found ${exponent}`);
}

function castOf(x: Tensor, node: NodeView): Tensor {
  if (node.integer("to", 0) === 1) return x;
  throw new NotTrainable(`float32 expected, found a cast to another type`);
}

function conv(node: NodeView): Value {
  const x = node.value(0);
  const map = asMap(x);
  const weight = node.parameter(1, "weight");
  if (weight.shape.length !== 4) throw new NotTrainable(`filters of 4 axes expected, found ${show(weight.shape)}`);
  const window = windowOf(node, map, weight.shape.slice(2));
  const bias = node.has(2) ? node.parameter(2, "bias") : undefined;
  return checked(node, {
    tensor: windowConv(map, weight, window, node.integer("group", 1), bias),
    isMap: true,
    isTrained: true,
  });
}

function batchNormalization(node: NodeView): Value {
  const x = node.value(0);
  const tensor = x.tensor.shape.length === 4 ? asMap(x) : x.tensor;
  const [gamma, beta] = [node.parameter(1, "gamma"), node.parameter(2, "beta")];
  const { mean, variance, renew } = node.statistics(3, 4);
  const epsilon = node.float("epsilon", 1e-5);
  const isMap = tensor.shape.length === 4;
  if (!renew) {
    const y = fixedBatchNorm(tensor, gamma, beta, mean, variance, isMap ? 2 : 1, epsilon);
    return { tensor: y, isMap, isTrained: true };
  }
  const found = batchNorm(tensor, gamma, beta, undefined, epsilon);
  renew(found.mean, found.variance);
  return { tensor: found.y, isMap, isTrained: true };
}

function pool(build: (x: Tensor, window: Window, countsPadding: boolean) => Tensor): Build {
  return (node) => {
    const x = node.value(0);
    if (node.node.output[1]) throw new NotTrainable("the largest values alone expected, found their places too");
    const map = asMap(x);
    const countsPadding = node.integer("count_include_pad", 0) === 1;
    const window = windowOf(node, map, node.list("kernel_shape") ?? []);
    const isCeil = node.integer("ceil_mode", 0) === 1;
    if (isCeil && countsPadding) throw new NotTrainable("sizes rounded down expected where padding counts, found up");
    const [, , tall, wide] = node.shape();
    const whole = isCeil
      ? { down: reaching(window.down, map.shape[0]!, tall!), right: reaching(window.right, map.shape[1]!, wide!) }
      : window;
    return checked(node, { ...x, tensor: build(map, whole, countsPadding), isMap: true });
  };
}

/** With as much of nothing behind the map as so many windows need. */
function reaching(along: Along, size: number, count: number): Along {
  const { kernel, stride, dilation, before } = along;
  const reach = (count - 1) * stride + dilation * (kernel - 1) + 1;
  return { ...along, after: Math.max(along.after, reach - before - size) };
}

function wholePool(node: NodeView, build: (x: Tensor, window: Window) => Tensor): Value {
  const x = node.value(0);
  const map = asMap(x);
  const along = (kernel: number): Along => ({ kernel, stride: 1, dilation: 1, before: 0, after: 0 });
  return { ...x, tensor: build(map, { down: along(map.shape[0]!), right: along(map.shape[1]!) }), isMap: true };
}

/** @param kernel height and width */
function windowOf(node: NodeView, map: Tensor, kernel: readonly number[]): Window {
  if (kernel.length !== 2) throw new NotTrainable(`windows of 2 axes expected, found [${kernel}]`);
  const strides = node.list("strides") ?? [1, 1];
  const dilations = node.list("dilations") ?? [1, 1];
  const automatic = node.text("auto_pad", "NOTSET");
  const pads = node.list("pads") ?? [0, 0, 0, 0];
  const along = (axis: 0 | 1): Along => {
    const one = { kernel: kernel[axis]!, stride: strides[axis]!, dilation: dilations[axis]! };
    if (automatic.startsWith("SAME")) return { ...one, ...samePads(map.shape[axis]!, one, automatic === "SAME_UPPER") };
    return {
      ...one,
      before: automatic === "VALID" ? 0 : pads[axis]!,
      after: automatic === "VALID" ? 0 : pads[axis + 2]!,
    };
  };
  return { down: along(0), right: along(1) };
}

/** So many zeros that there are ceil(size / stride) windows; the odd one behind the map, or before it. */
function samePads(
  size: number,
  { kernel, stride, dilation }: Pick<Along, "kernel" | "stride" | "dilation">,
  isUpper: boolean,
) {
  const all = Math.max(0, (Math.ceil(size / stride) - 1) * stride + dilation * (kernel - 1) + 1 - size);
  const [less, more] = [Math.floor(all / 2), Math.ceil(all / 2)];
  return isUpper ? { before: less, after: more } : { before: more, after: less };
}

/** A map of the size that the file's run had. @throws {NotTrainable} if it is not: then a window is not what was thought */
function checked(node: NodeView, value: Value): Value {
  const [height, width, channels, batch] = value.tensor.shape as [number, number, number, number];
  if (sameShape([batch, channels, height, width], node.shape())) return value;
  throw new NotTrainable(`${show(node.shape())} expected, found ${show([batch, channels, height, width])}`);
}
