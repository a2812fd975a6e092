/** Operators that move values and compute nothing: reshape, transpose, concat, slice, expand, gather. */

import { matMul } from "./linear.ts";
import { reduceSum } from "./reduce.ts";
import {
  constant,
  differentiable,
  integers,
  node,
  normalizeAxis,
  type Shape,
  sameShape,
  scalar,
  show,
  sizeOf,
  type Tensor,
} from "./tensor.ts";

/**
 * The same values in another shape.
 * A leading size that stays is written as "copy it from the input", so that the graph holds for any batch.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sizeOf(shape) !== sizeOf(x.shape))
    throw new RangeError(`reshape: ${sizeOf(x.shape)} values in ${show(x.shape)} expected, found ${show(shape)}`);
  if (sameShape(x.shape, shape)) return x;
  const target = shape.map((size, i) => (i === 0 && size === x.shape[0] ? 0 : size));
  const y = node("Reshape", [x, integers(target)], {}, shape);
  return differentiable(y, [x], (dy) => [reshape(dy, x.shape)]);
}

/** Axis i of the result is axis `order[i]` of x. */
export function transpose(x: Tensor, order: readonly number[]): Tensor {
  if (order.length !== x.shape.length || !x.shape.every((_, axis) => order.includes(axis)))
    throw new RangeError(`transpose: an order of the ${x.shape.length} axes expected, found ${show(order)}`);
  const y = node(
    "Transpose",
    [x],
    { perm: order },
    order.map((axis) => x.shape[axis]!),
    x.type,
  );
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return differentiable(y, [x], (dy) => [transpose(dy, inverse)]);
}

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0]!;
  const along = normalizeAxis("concat", axis, first.shape.length);
  for (const part of parts)
    if (
      part.shape.length !== first.shape.length ||
      part.shape.some((size, i) => i !== along && size !== first.shape[i])
    )
      throw new RangeError(
        `concat: shapes equal except along axis ${along} expected, found ${parts.map((p) => show(p.shape)).join(" and ")}`,
      );
  const sizes = parts.map((part) => part.shape[along]!);
  const shape = first.shape.map((size, i) => (i === along ? sizes.reduce((a, b) => a + b) : size));
  return differentiable(node("Concat", parts, { axis: along }, shape), parts, (dy) => {
    const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
    return sizes.map((size, i) => slice(dy, along, starts[i]!, starts[i]! + size));
  });
}

/** x[..., from:to:step, ...] along `axis` */
export function slice(x: Tensor, axis: number, from: number, to: number, step = 1): Tensor {
  const along = normalizeAxis("slice", axis, x.shape.length);
  const size = x.shape[along]!;
  if (!(from >= 0 && from < to && to <= size))
    throw new RangeError(`slice: 0 <= from < to <= ${size} expected, found ${from} and ${to}`);
  const shape = x.shape.map((full, i) => (i === along ? Math.ceil((to - from) / step) : full));
  const y = node("Slice", [x, integers([from]), integers([to]), integers([along]), integers([step])], {}, shape);
  if (step !== 1) return y;
  return differentiable(y, [x], (dy) => {
    const before = x.shape.map((_, i) => (i === along ? from : 0));
    const after = x.shape.map((_, i) => (i === along ? size - to : 0));
    return [pad(dy, before, after)];
  });
}

/** Zeros before and after each axis. No gradient. */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  if (before.length !== x.shape.length || after.length !== x.shape.length)
    throw new RangeError(
      `pad: ${x.shape.length} sizes before and after expected, found ${show(before)} and ${show(after)}`,
    );
  const shape = x.shape.map((size, i) => size + before[i]! + after[i]!);
  return node("Pad", [x, integers([...before, ...after]), scalar(0)], { mode: "constant" }, shape);
}

/** Stretches axes of size 1 to those of `shape`. The other sizes are left to the input, so that the graph holds for any batch. */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (x.shape.length !== shape.length || x.shape.some((size, i) => size !== 1 && size !== shape[i]))
    throw new RangeError(`expand: ${show(x.shape)} with sizes of 1 made larger expected, found ${show(shape)}`);
  if (sameShape(x.shape, shape)) return x;
  const stretched = shape.flatMap((size, i) => (x.shape[i] === 1 && size !== 1 ? [i] : []));
  const target = shape.map((size, i) => (size === x.shape[i] ? 1 : size));
  const y = node("Expand", [x, integers(target)], {}, shape);
  return differentiable(y, [x], (dy) => [reduceSum(dy, stretched, true)]);
}

/**
 * y[..., i, ...] = x[..., indices[i], ...] along `axis`.
 *
 * The gradient adds up what was taken from the same place: dx = dy times the one-hot matrix of the indices.
 *
 * @param indices whole numbers below the size of the axis: an int64 or int32 tensor of rank 1
 */
export function gather(x: Tensor, indices: Tensor, axis: number): Tensor {
  const along = normalizeAxis("gather", axis, x.shape.length);
  if (indices.shape.length !== 1 || indices.type === "float32" || indices.type === "bool")
    throw new RangeError(
      `gather: indices of rank 1 and a whole-number type expected, found ${indices.type} ${show(indices.shape)}`,
    );
  const size = x.shape[along]!;
  const shape = x.shape.map((full, i) => (i === along ? indices.shape[0]! : full));
  return differentiable(node("Gather", [x, indices], { axis: along }, shape), [x], (dy) => {
    const oneHot = node("OneHot", [indices, constant([size]), constant([0, 1])], { axis: -1 }, [
      indices.shape[0]!,
      size,
    ]);
    if (x.shape.length === 1) return [reshape(matMul(reshape(dy, [1, indices.shape[0]!]), oneHot), x.shape)];
    const last = x.shape.length - 1;
    const order = x.shape.map((_, i) => (i === along ? last : i === last ? along : i));
    return [transpose(matMul(transpose(dy, order), oneHot), order)];
  });
}
