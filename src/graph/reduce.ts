import { allAxes, reduce, spread } from "./broadcast.ts";
import { scale } from "./elementwise.ts";
import { differentiable, normalizeAxis, sizeOf, type Tensor } from "./tensor.ts";

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
