/**
 * Stretching and summing, each the way back of the other: what the gradient of every operator that broadcasts is made of.
 */
import {
  differentiable,
  integers,
  node,
  normalizeAxis,
  type Shape,
  sameShape,
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
  const y = node("Reshape", [x, integers(target)], {}, shape, x.type);
  return differentiable(y, [x], (dy) => [reshape(dy, x.shape)]);
}

/** Stretches axes of size 1 to those of `shape`. The other sizes are left to the input, so that the graph holds for any batch. */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (x.shape.length !== shape.length || x.shape.some((size, i) => size !== 1 && size !== shape[i]))
    throw new RangeError(`expand: ${show(x.shape)} with sizes of 1 made larger expected, found ${show(shape)}`);
  if (sameShape(x.shape, shape)) return x;
  const stretched = shape.flatMap((size, i) => (x.shape[i] === 1 && size !== 1 ? [i] : []));
  const target = shape.map((size, i) => (size === x.shape[i] ? 1 : size));
  const y = node("Expand", [x, integers(target)], {}, shape, x.type);
  return differentiable(y, [x], (dy) => [reduceSum(dy, stretched, true)]);
}

/** The runtime's fast kernels reduce neighbouring axes: one node for each run of them, the last one first, which makes the most small. */
export function reduce(operator: string, x: Tensor, axes: readonly number[], keepAxes: boolean): Tensor {
  const reduced = axes.map((axis) => normalizeAxis(operator, axis, x.shape.length)).sort((a, b) => a - b);
  if (new Set(reduced).size < reduced.length)
    throw new RangeError(`${operator}: axes that differ expected, found ${show(axes)} of ${show(x.shape)}`);
  const run = reduced.filter((axis, i) => reduced.slice(i).every((later, j) => later === axis + j)); // the last one
  const rest = reduced.slice(0, reduced.length - run.length);
  const shape = keepAxes
    ? x.shape.map((size, i) => (run.includes(i) ? 1 : size))
    : x.shape.filter((_, i) => !run.includes(i));
  const y = node(operator, [x, integers(run)], { keepdims: keepAxes ? 1 : 0 }, shape, x.type);
  return rest.length === 0 ? y : reduce(operator, y, rest, keepAxes);
}

export function allAxes(x: Tensor): number[] {
  return x.shape.map((_, i) => i);
}

/** dy, stretched back over the axes that were reduced. */
export function spread(dy: Tensor, axes: readonly number[], shape: Shape): Tensor {
  const kept = shape.map((size, i) =>
    axes.some((axis) => normalizeAxis("reduce", axis, shape.length) === i) ? 1 : size,
  );
  return expand(reshape(dy, kept), shape);
}

/** Sum over `axes` (default all). */
export function reduceSum(x: Tensor, axes = allAxes(x), keepAxes = false): Tensor {
  return differentiable(reduce("ReduceSum", x, axes, keepAxes), [x], (dy) => [spread(dy, axes, x.shape)]);
}

/** Undoes broadcasting: sums `dy` over the axes along which `shape` was stretched. */
export function unbroadcast(dy: Tensor, shape: Shape): Tensor {
  if (sameShape(dy.shape, shape)) return dy;
  const lead = dy.shape.length - shape.length;
  const axes = dy.shape.flatMap((size, i) => (i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : []));
  return reshape(reduceSum(dy, axes), shape);
}
