import { scale } from "./elementwise.ts";
import { expand, reshape } from "./layout.ts";
import { differentiable, integers, node, normalizeAxis, type Shape, sizeOf, type Tensor } from "./tensor.ts";

function reduce(operator: string, x: Tensor, axes: readonly number[], keepAxes: boolean): Tensor {
  const reduced = axes.map((axis) => normalizeAxis(operator, axis, x.shape.length));
  const shape = keepAxes
    ? x.shape.map((size, i) => (reduced.includes(i) ? 1 : size))
    : x.shape.filter((_, i) => !reduced.includes(i));
  return node(operator, [x, integers(reduced)], { keepdims: keepAxes ? 1 : 0 }, shape);
}

function allAxes(x: Tensor): number[] {
  return x.shape.map((_, i) => i);
}

/** dy, stretched back over the axes that were reduced. */
function spread(dy: Tensor, axes: readonly number[], shape: Shape): Tensor {
  const kept = shape.map((size, i) =>
    axes.some((axis) => normalizeAxis("reduce", axis, shape.length) === i) ? 1 : size,
  );
  return expand(reshape(dy, kept), shape);
}

/** Sum over `axes` (default all). */
export function reduceSum(x: Tensor, axes = allAxes(x), keepAxes = false): Tensor {
  return differentiable(reduce("ReduceSum", x, axes, keepAxes), [x], (dy) => [spread(dy, axes, x.shape)]);
}

/** Mean over `axes` (default all). */
export function reduceMean(x: Tensor, axes = allAxes(x), keepAxes = false): Tensor {
  return differentiable(reduce("ReduceMean", x, axes, keepAxes), [x], (dy) => {
    const count = sizeOf(x.shape) / sizeOf(dy.shape);
    return [spread(scale(dy, 1 / count), axes, x.shape)];
  });
}

/** Largest over `axes`. No gradient. */
export function reduceMax(x: Tensor, axes = allAxes(x), keepAxes = false): Tensor {
  return reduce("ReduceMax", x, axes, keepAxes);
}
