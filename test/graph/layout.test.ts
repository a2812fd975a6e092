import { expect, test } from "vitest";
import { expand, reshape } from "../../src/graph/broadcast.ts";
import { concat, pad, slice, transpose } from "../../src/graph/layout.ts";
import { input, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { checkValueAndGradients, runOnce } from "./check.ts";
import { at, dense } from "./reference.ts";

const reshapes: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 6],
    [3, 4],
  ],
  [
    [2, 3, 4],
    [2, 12],
  ],
  [[4, 1], [4]],
  [[3], [1, 3, 1]],
  [[1], []],
  [
    [2, 3],
    [2, 3],
  ],
];

test.each(reshapes)("reshape and its gradient: %j to %j", async (from, to) => {
  await checkValueAndGradients({
    shapes: [from],
    graph: (x) => reshape(x!, to),
    reference: (x) => ({ shape: to, data: x!.data }),
  });
});

const orders: readonly (readonly [Shape, readonly number[]])[] = [
  [
    [2, 3],
    [1, 0],
  ],
  [
    [2, 3, 4],
    [2, 0, 1],
  ],
  [
    [2, 3, 4, 5],
    [0, 2, 3, 1],
  ],
  [
    [2, 3, 4, 5],
    [3, 1, 2, 0],
  ],
];

test.each(orders)("transpose and its gradient: %j by %j", async (shape, order) => {
  await checkValueAndGradients({
    shapes: [shape],
    graph: (x) => transpose(x!, order),
    reference: (x) =>
      dense(
        order.map((axis) => shape[axis]!),
        (...index) => at(x!, ...shape.map((_, axis) => index[order.indexOf(axis)]!)),
      ),
  });
});

test.each([0, 1, 2, -1])("concat and its gradients along axis %i", async (axis) => {
  const along = axis < 0 ? 2 : axis;
  const sized = (size: number): Shape => [2, 3, 4].map((full, i) => (i === along ? size : full));
  await checkValueAndGradients({
    shapes: [sized(1), sized(3), sized(2)],
    graph: (...parts) => concat(parts, axis),
    reference: (...parts) =>
      dense(sized(6), (...index) => {
        const which = index[along]! < 1 ? 0 : index[along]! < 4 ? 1 : 2;
        const start = [0, 1, 4][which]!;
        return at(parts[which]!, ...index.map((i, axis) => (axis === along ? i - start : i)));
      }),
  });
});

test("concat of a tensor with itself gives it both gradients", async () => {
  await checkValueAndGradients({
    shapes: [[2, 3]],
    graph: (x) => concat([x!, x!], 1),
    reference: (x) => dense([2, 6], (b, i) => at(x!, b!, i! % 3)),
  });
});

const slices = [
  { axis: 0, from: 0, to: 2 },
  { axis: 1, from: 2, to: 5 },
  { axis: -1, from: 1, to: 2 },
  { axis: 2, from: 0, to: 3 },
];

test.each(slices)("slice and its gradient: axis $axis, $from to $to", async ({ axis, from, to }) => {
  const along = axis < 0 ? 2 : axis;
  await checkValueAndGradients({
    shapes: [[4, 5, 3]],
    graph: (x) => slice(x!, axis, from, to),
    reference: (x) =>
      dense(
        [4, 5, 3].map((size, i) => (i === along ? to - from : size)),
        (...index) => at(x!, ...index.map((i, axis) => (axis === along ? i + from : i))),
      ),
  });
});

test("pad and its gradient", async () => {
  await checkValueAndGradients({
    shapes: [[2, 3]],
    graph: (x) => pad(x!, [1, 0], [2, 3]),
    reference: (x) => dense([5, 6], (i, j) => at(x!, i! - 1, j!)),
  });
});

const expansions: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 1],
    [2, 3],
  ],
  [
    [1, 3, 1],
    [2, 3, 4],
  ],
  [[1], [5]],
  [
    [2, 3],
    [2, 3],
  ],
];

test.each(expansions)("expand and its gradient: %j to %j", async (from, to) => {
  await checkValueAndGradients({
    shapes: [from],
    graph: (x) => expand(x!, to),
    reference: (x) => dense(to, (...index) => at(x!, ...index.map((i, axis) => (from[axis] === 1 ? 0 : i)))),
  });
});

const examples: readonly (readonly [string, (x: Tensor) => Tensor, Shape, readonly number[]])[] = [
  ["reshape keeps the order", (x) => reshape(x, [3, 2]), [3, 2], [1, 2, 3, 4, 5, 6]],
  ["transpose turns rows into columns", (x) => transpose(x, [1, 0]), [3, 2], [1, 4, 2, 5, 3, 6]],
  ["concat puts rows side by side", (x) => concat([x, x], 1), [2, 6], [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]],
  ["slice leaves out what is before and from its end on", (x) => slice(x, 1, 1, 2), [2, 1], [2, 5]],
  ["pad surrounds by zeros", (x) => pad(x, [1, 0], [0, 1]), [3, 4], [0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0]],
  ["expand repeats", (x) => expand(slice(x, 0, 0, 1), [2, 3]), [2, 3], [1, 2, 3, 1, 2, 3]],
];

test.each(examples)("%s: [[1, 2, 3], [4, 5, 6]]", async (_, graph, shape, expected) => {
  const y = graph(input("x", [2, 3]));
  expect(y.shape).toEqual(shape);
  const found = await runOnce({ y }, { x: Float32Array.of(1, 2, 3, 4, 5, 6) });
  expect([...found.y!]).toEqual(expected);
});
