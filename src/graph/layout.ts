/** Operators that move values and compute nothing: transpose, concat, slice, pad (reshape and expand: `broadcast.ts`). */

import { checkSameType, differentiable, integers, node, normalizeAxis, scalar, show, type Tensor } from "./tensor.ts";

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
  for (const part of parts) checkSameType("concat", first, part);
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
  return differentiable(node("Concat", parts, { axis: along }, shape, first.type), parts, (dy) => {
    const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
    return sizes.map((size, i) => slice(dy, along, starts[i]!, starts[i]! + size));
  });
}

/** x[..., from:to, ...] along `axis` */
export function slice(x: Tensor, axis: number, from: number, to: number): Tensor {
  const along = normalizeAxis("slice", axis, x.shape.length);
  const size = x.shape[along]!;
  if (!(from >= 0 && from < to && to <= size))
    throw new RangeError(`slice: 0 <= from < to <= ${size} expected, found ${from} and ${to}`);
  const shape = x.shape.map((full, i) => (i === along ? to - from : full));
  const y = node("Slice", [x, integers([from]), integers([to]), integers([along])], {}, shape, x.type);
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
  return node("Pad", [x, integers([...before, ...after]), scalar(0, x.type)], { mode: "constant" }, shape, x.type);
}
