/** Operators that move values and compute nothing: transpose, concat, slice, pad (reshape and expand: `broadcast.ts`). */

import { reshape } from "./broadcast.ts";
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

/** x[..., from + i * step, ...] along `axis`, for i in 0..count-1 */
export function everyNth(x: Tensor, axis: number, from: number, step: number, count: number): Tensor {
  const along = normalizeAxis("everyNth", axis, x.shape.length);
  const size = x.shape[along]!;
  const last = from + (count - 1) * step;
  if (!(from >= 0 && step >= 1 && count >= 1 && last < size))
    throw new RangeError(`everyNth: places within ${size} expected, found ${from} to ${last} in steps of ${step}`);
  if (step === 1) return count === size ? x : slice(x, along, from, from + count);
  const inputs = [x, integers([from]), integers([last + 1]), integers([along]), integers([step])];
  const resized = (to: number): number[] => x.shape.map((full, i) => (i === along ? to : full));
  const y = node("Slice", inputs, {}, resized(count), x.type);
  return differentiable(y, [x], (dy) => {
    const [before, after] = [x.shape.slice(0, along), x.shape.slice(along + 1)];
    const zeros = (place: number, many: number): number[] =>
      [...before, 1, 1, ...after].map((_, i) => (i === place ? many : 0));
    const apart = pad(reshape(dy, [...before, count, 1, ...after]), zeros(-1, 0), zeros(along + 1, step - 1));
    const spread = reshape(apart, resized(count * step));
    const left = size - from - count * step; // below zero: zeros behind the last place that are too many
    const whole = left < 0 ? slice(spread, along, 0, size - from) : spread;
    const around = (many: number): number[] => x.shape.map((_, i) => (i === along ? many : 0));
    return [from > 0 || left > 0 ? pad(whole, around(from), around(Math.max(0, left))) : whole];
  });
}

/** Zeros, or another value, before and after each axis. */
export function pad(x: Tensor, before: readonly number[], after: readonly number[], value = 0): Tensor {
  if (before.length !== x.shape.length || after.length !== x.shape.length)
    throw new RangeError(
      `pad: ${x.shape.length} sizes before and after expected, found ${show(before)} and ${show(after)}`,
    );
  const shape = x.shape.map((size, i) => size + before[i]! + after[i]!);
  const y = node(
    "Pad",
    [x, integers([...before, ...after]), scalar(value, x.type)],
    { mode: "constant" },
    shape,
    x.type,
  );
  return differentiable(y, [x], (dy) => [
    x.shape.reduce(
      (left, size, i) => (left.shape[i] === size ? left : slice(left, i, before[i]!, before[i]! + size)),
      dy,
    ),
  ]);
}
