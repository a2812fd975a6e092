import { scale } from "./elementwise.ts";
import { expand, reshape } from "./layout.ts";
import { differentiable, integers, node, normalizeAxis, type Shape, show, sizeOf, type Tensor } from "./tensor.ts";

/** The runtime's fast kernels reduce neighbouring axes: one node for each run of them, the last one first, which makes the most small. */
function reduce(operator: string, x: Tensor, axes: readonly number[], keepAxes: boolean): Tensor {
  const reduced = axes.map((axis) => normalizeAxis(operator, axis, x.shape.length)).sort((a, b) => a - b);
  if (new Set(reduced).size < reduced.length)
    throw new RangeError(`${operator}: axes that differ expected, found ${show(axes)} of ${show(x.shape)}`);
  const run = reduced.filter((axis, i) => reduced.slice(i).every((later, j) => later === axis + j)); // the last one
  const rest = reduced.slice(0, reduced.length - run.length);
  const shape = keepAxes
    ? x.shape.map((size, i) => (run.includes(i) ? 1 : size))
    : x.shape.filter((_, i) => !run.includes(i));
  const y = node(operator, [x, integers(run)], { keepdims: keepAxes ? 1 : 0 }, shape);
  return rest.length === 0 ? y : reduce(operator, y, rest, keepAxes);
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

/** Sum of squares over `axes` (default all), in one pass where a product and a sum take two. No gradient. */
export function reduceSumSquare(x: Tensor, axes = allAxes(x)): Tensor {
  const reduced = axes.map((axis) => normalizeAxis("ReduceSumSquare", axis, x.shape.length));
  const last = Math.max(...reduced);
  const rows = reduce("ReduceSumSquare", x, [last], false);
  const rest = reduced.filter((axis) => axis !== last);
  return rest.length === 0 ? rows : reduce("ReduceSum", rows, rest, false);
}

/** Largest over `axes`. No gradient. */
export function reduceMax(x: Tensor, axes = allAxes(x), keepAxes = false): Tensor {
  return reduce("ReduceMax", x, axes, keepAxes);
}
