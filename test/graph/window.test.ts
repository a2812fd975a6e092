import { describe, expect, test } from "vitest";
import { windowConv } from "../../src/graph/conv.ts";
import { everyNth } from "../../src/graph/layout.ts";
import { input, type Shape } from "../../src/graph/tensor.ts";
import { type Along, sameAlong, type Window } from "../../src/graph/window.ts";
import { windowAveragePool, windowMaxPool } from "../../src/graph/window-pool.ts";
import { onBatchLast } from "./batch-last.ts";
import { checkValueAndGradients, distinct } from "./check.ts";
import { at, type Dense, dense, largest, mean } from "./reference.ts";

const along = (kernel: number, others: Partial<Along> = {}): Along => ({
  kernel,
  stride: 1,
  dilation: 1,
  before: 0,
  after: 0,
  ...others,
});

/** The places of x that window (i, j) looks at, those outside included. */
function places({ down, right }: Window, i: number, j: number): [number, number][] {
  const of = ({ kernel, stride, dilation, before }: Along, at: number): number[] =>
    Array.from({ length: kernel }, (_, u) => stride * at + dilation * u - before);
  return of(down, i).flatMap((row) => of(right, j).map((column): [number, number] => [row, column]));
}

function counts([, , height, width]: Shape, { down, right }: Window): [number, number] {
  const many = (size: number, { kernel, stride, dilation, before, after }: Along): number => {
    let count = 0;
    while (stride * count + dilation * (kernel - 1) < size + before + after) count++;
    return count;
  };
  return [many(height!, down), many(width!, right)];
}

const convolutions: readonly { name: string; x: Shape; weight: Shape; window: Window; groups?: number }[] = [
  {
    name: "3x3, stride 2, nothing before and one after (TensorFlow)",
    x: [2, 2, 6, 4],
    weight: [3, 2, 3, 3],
    window: { down: along(3, { stride: 2, after: 1 }), right: along(3, { stride: 2, after: 1 }) },
  },
  {
    name: "5x3, strides 3 and 1, uneven padding",
    x: [2, 2, 8, 5],
    weight: [2, 2, 5, 3],
    window: { down: along(5, { stride: 3, before: 2, after: 1 }), right: along(3, { before: 1 }) },
  },
  {
    name: "3x3 with gaps, two groups",
    x: [2, 4, 7, 6],
    weight: [4, 2, 3, 3],
    window: { down: along(3, { dilation: 2, before: 2, after: 2 }), right: along(3, { dilation: 2 }) },
    groups: 2,
  },
  {
    name: "4x4, stride 4: patches",
    x: [2, 2, 8, 8],
    weight: [3, 2, 4, 4],
    window: { down: along(4, { stride: 4 }), right: along(4, { stride: 4 }) },
  },
  {
    name: "3x3 depthwise, stride 2, nothing before and one after",
    x: [2, 3, 6, 8],
    weight: [3, 1, 3, 3],
    window: { down: along(3, { stride: 2, after: 1 }), right: along(3, { stride: 2, after: 1 }) },
    groups: 3,
  },
  {
    name: "3x3 depthwise without padding",
    x: [2, 2, 5, 4],
    weight: [2, 1, 3, 3],
    window: { down: along(3), right: along(3) },
    groups: 2,
  },
  {
    name: "5x5 depthwise, stride 2",
    x: [2, 2, 7, 6],
    weight: [2, 1, 5, 5],
    window: { down: sameAlong(5, 2), right: along(5, { stride: 2, before: 1, after: 2 }) },
    groups: 2,
  },
  {
    name: "3x3 on 16 channels, stride 1, as Winograd has it",
    x: [1, 16, 5, 4],
    weight: [2, 16, 3, 3],
    window: { down: sameAlong(3, 1), right: sameAlong(3, 1) },
  },
];

test.each(convolutions)("windowConv and its gradients: $name", async ({ x, weight, window, groups = 1 }) => {
  const [out, perGroup] = weight as [number, number];
  await checkValueAndGradients({
    shapes: [x, weight, [out]],
    graph: (a, b, c) => onBatchLast(a!, (maps) => windowConv(maps, b!, window, groups, c!)),
    reference: (a, b, c) =>
      dense([x[0]!, out, ...counts(x, window)], (n, o, i, j) => {
        const first = Math.floor(o! / (out / groups)) * perGroup;
        let total = c!.data[o!]!;
        for (let channel = 0; channel < perGroup; channel++)
          for (const [tap, [row, column]] of places(window, i!, j!).entries())
            total +=
              at(a!, n!, first + channel, row, column) *
              b!.data[(o! * perGroup + channel) * weight[2]! * weight[3]! + tap]!;
        return total;
      }),
    tolerance: 5e-5, // Winograd's transforms round more often
  });
});

const pools: readonly { name: string; x: Shape; window: Window }[] = [
  { name: "3x3, stride 2, one around", x: [2, 2, 6, 5], window: { down: sameAlong(3, 2), right: sameAlong(3, 2) } },
  { name: "2x3 apart by 1 and 2", x: [2, 2, 4, 7], window: { down: along(2), right: along(3, { stride: 2 }) } },
  {
    name: "3x3, stride 2, nothing before and two after",
    x: [1, 2, 7, 6],
    window: { down: along(3, { stride: 2, after: 2 }), right: along(3, { stride: 2, after: 2 }) },
  },
  { name: "all of it", x: [2, 3, 4, 3], window: { down: along(4), right: along(3) } },
];

describe.each(pools)("pools over $name", ({ x, window }) => {
  const [batch, channels, height, width] = x as [number, number, number, number];
  const isInside = ([row, column]: [number, number]): boolean =>
    row >= 0 && row < height && column >= 0 && column < width;
  const pooled = (a: Dense, of: (values: number[], all: number) => number): Dense =>
    dense([batch, channels, ...counts(x, window)], (b, c, i, j) => {
      const looked = places(window, i!, j!);
      return of(
        looked.filter(isInside).map(([row, column]) => at(a, b!, c!, row, column)),
        looked.length,
      );
    });

  test("windowMaxPool and its gradient", async () => {
    await checkValueAndGradients({
      shapes: [x],
      draw: distinct,
      graph: (a) => onBatchLast(a!, (maps) => windowMaxPool(maps, window)),
      reference: (a) => pooled(a!, largest),
    });
  });

  test("windowAveragePool and its gradient, padding left out and counted", async () => {
    await checkValueAndGradients({
      shapes: [x],
      graph: (a) => onBatchLast(a!, (maps) => windowAveragePool(maps, window, false)),
      reference: (a) => pooled(a!, mean),
    });
    await checkValueAndGradients({
      shapes: [x],
      graph: (a) => onBatchLast(a!, (maps) => windowAveragePool(maps, window, true)),
      reference: (a) => pooled(a!, (values, all) => (mean(values) * values.length) / all),
    });
  });
});

const steps: readonly (readonly [axis: number, from: number, step: number, count: number])[] = [
  [0, 0, 2, 3],
  [0, 1, 2, 2],
  [1, 1, 3, 2],
  [1, 0, 3, 2],
  [1, 4, 2, 1],
  [0, 2, 1, 3],
];

test.each(steps)(
  "everyNth and its gradient: axis %i from %i in steps of %i, %i of them",
  async (axis, from, step, count) => {
    await checkValueAndGradients({
      shapes: [[5, 7]],
      graph: (x) => everyNth(x!, axis, from, step, count),
      reference: (x) =>
        dense(
          [5, 7].map((size, i) => (i === axis ? count : size)),
          (...index) => at(x!, ...index.map((one, i) => (i === axis ? from + one * step : one))),
        ),
    });
  },
);

test("what does not fit is refused with both sizes", () => {
  const x = input("x", [4, 4, 6, 2]);
  const three = { down: along(3), right: along(3) };
  expect(() => windowConv(x, input("w", [8, 2, 3, 3]), three, 2)).toThrow(/x \[H, W, 4, B\].*found \[4, 4, 6, 2\]/);
  expect(() => windowConv(x, input("w", [8, 3, 5, 5]), three, 2)).toThrow(
    /a window of 3 x 3 expected, found weight \[8, 3, 5, 5\]/,
  );
  expect(() => everyNth(x, 0, 1, 2, 3)).toThrow(/places within 4 expected, found 1 to 5 in steps of 2/);
});
