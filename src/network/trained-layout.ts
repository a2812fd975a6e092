/** Operators of ONNX that move values, with their gradients: see `trained-operators.ts`. */
import { expand, reduceSum, reshape } from "../graph/broadcast.ts";
import { concat as concatenated, everyNth, pad, slice, transpose } from "../graph/layout.ts";
import { reduceMean } from "../graph/reduce.ts";
import { type Shape, sizeOf, type Tensor } from "../graph/tensor.ts";
import { asMap, asPlain, MAP_AXES, type NodeView, NotTrainable, type Value } from "./trained-value.ts";

/** Where an axis of the file lies in a value; counted from the end below zero. */
function axisOf({ tensor, isMap }: Value, axis: number): number {
  const rank = tensor.shape.length;
  const positive = axis < 0 ? axis + rank : axis;
  return isMap ? MAP_AXES[positive]! : positive;
}

export function concat(node: NodeView): Value {
  const values = Array.from({ length: node.count }, (_, i) => node.value(i));
  const isMap = values.some((one) => one.isMap);
  const batched = values.map((one) => ({ ...one, tensor: forBatch(one, node.batch) }));
  const tensors = batched.map((one) => (isMap ? asMap(one) : one.tensor));
  const like = { tensor: tensors[0]!, isMap, isTrained: values.some((one) => one.isTrained) };
  return { ...like, tensor: concatenated(tensors, axisOf(like, node.integer("axis", 0))) };
}

/** A constant of one row, once for each picture. */
function forBatch({ tensor }: Value, batch: number): Tensor {
  const isAlone = tensor.source.kind === "constant" && tensor.shape[0] === 1 && batch > 1;
  return isAlone ? expand(tensor, [batch, ...tensor.shape.slice(1)]) : tensor;
}

export function split(node: NodeView): Value[] {
  const x = node.value(0);
  const axis = node.integer("axis", 0);
  const along = axisOf(x, axis);
  const rank = x.tensor.shape.length;
  let from = 0;
  return node.node.output.map((_, i) => {
    const to = from + node.shape(i)[axis < 0 ? axis + rank : axis]!;
    const tensor = slice(x.tensor, along, from, to);
    from = to;
    return { ...x, tensor };
  });
}

export function sliced(node: NodeView): Value {
  const x = node.value(0);
  const [starts, ends] = [node.integers(1)!, node.integers(2)!];
  const axes = node.integers(3) ?? starts.map((_, i) => i);
  const steps = node.integers(4) ?? starts.map(() => 1);
  const tensor = axes.reduce((left, axis, i) => {
    const along = axisOf({ ...x, tensor: left }, axis);
    const size = left.shape[along]!;
    const step = steps[i]!;
    if (step < 1) throw new NotTrainable(`steps of 1 or more expected, found ${step}`);
    const place = (at: number): number => Math.min(size, Math.max(0, at < 0 ? at + size : at));
    const [from, to] = [place(starts[i]!), place(ends[i]!)];
    if (to <= from) throw new NotTrainable("a slice that holds something expected, found an empty one");
    return everyNth(left, along, from, step, Math.ceil((to - from) / step));
  }, x.tensor);
  return { ...x, tensor };
}

export function padded(node: NodeView): Value {
  const x = node.value(0);
  const pads = node.integers(1)!;
  const rank = x.tensor.shape.length;
  const axes = node.integers(3) ?? x.tensor.shape.map((_, i) => i);
  if (node.text("mode", "constant") !== "constant")
    throw new NotTrainable("padding by a constant expected, found another");
  if (pads.some((one) => one < 0)) throw new NotTrainable("padding of at least 0 expected, found less");
  const [before, after] = [Array<number>(rank).fill(0), Array<number>(rank).fill(0)];
  axes.forEach((axis, i) => {
    before[axisOf(x, axis)] = pads[i]!;
    after[axisOf(x, axis)] = pads[i + axes.length]!;
  });
  if ([...before, ...after].every((one) => one === 0)) return x;
  return { ...x, tensor: pad(x.tensor, before, after, node.number(2) ?? 0) };
}

export function transposed(node: NodeView): Value {
  const x = node.value(0);
  const rank = x.tensor.shape.length;
  const order = node.list("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return { tensor: transpose(asPlain(x), order), isMap: false, isTrained: x.isTrained };
}

/** The same values in another shape: what Reshape, Flatten, Squeeze and Unsqueeze come to, as the file's run has told all shapes. */
export function flat(node: NodeView): Value {
  const x = node.value(0);
  const shape = node.shape();
  if (sizeOf(shape) !== sizeOf(x.tensor.shape))
    throw new NotTrainable("a shape that follows the batch expected, found another");
  return { tensor: reshape(asPlain(x), shape), isMap: false, isTrained: x.isTrained };
}

/** Of one place along an axis, or of several that follow each other. */
export function gather(node: NodeView): Value {
  const x = node.value(0);
  const axis = node.integer("axis", 0);
  const along = axisOf(x, axis);
  const size = x.tensor.shape[along]!;
  const places = node.integers(1)!.map((place) => (place < 0 ? place + size : place));
  const isRun = places.every((place, i) => place === places[0]! + i);
  if (!isRun || places.length === 0) throw new NotTrainable("places that follow each other expected, found others");
  const tensor = slice(x.tensor, along, places[0]!, places[0]! + places.length);
  return { tensor: reshape(asPlain({ ...x, tensor }), node.shape()), isMap: false, isTrained: x.isTrained };
}

/** Mean or sum over some axes; of a map over its pixels the axes may stay. */
export function reduced(which: "mean" | "sum"): (node: NodeView) => Value {
  const over = which === "mean" ? reduceMean : reduceSum;
  return (node) => {
    const x = node.value(0);
    const rank = x.tensor.shape.length;
    const axes =
      node.integers(1) ?? (node.integer("noop_with_empty_axes", 0) === 1 ? [] : x.tensor.shape.map((_, i) => i));
    const kept = over(
      x.tensor,
      axes.map((axis) => axisOf(x, axis)),
      true,
    );
    if (node.integer("keepdims", 1) === 1) return { ...x, tensor: kept };
    const isGone = (axis: number): boolean => axes.some((one) => (one < 0 ? one + rank : one) === axis);
    const plain = asPlain({ ...x, tensor: kept });
    const shape: Shape = plain.shape.filter((_, axis) => !isGone(axis));
    return { tensor: reshape(plain, shape), isMap: false, isTrained: x.isTrained };
  };
}
