import { describe, expect, test } from "vitest";
import { batchLast, type Matrix, mapPlane, shrinking } from "../../src/graph/plane.ts";
import { input, type Shape } from "../../src/graph/tensor.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { onBatchLast } from "./batch-last.ts";
import { checkValueAndGradients, runOnce } from "./check.ts";
import { at, dense } from "./reference.ts";

function randomMatrix(rows: number, columns: number): number[][] {
  const random = seededRandom(rows, columns);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.fround(normal(random))));
}

const cases: readonly { x: Shape; rows: Matrix; columns: Matrix }[] = [
  { x: [2, 3, 4, 5], rows: randomMatrix(3, 4), columns: randomMatrix(2, 5) },
  { x: [3, 2, 2, 3], rows: randomMatrix(6, 2), columns: randomMatrix(1, 3) },
  { x: [1, 1, 3, 1], rows: randomMatrix(1, 3), columns: randomMatrix(4, 1) },
  { x: [1, 2, 1, 1], rows: randomMatrix(2, 1), columns: randomMatrix(3, 1) },
  { x: [2, 1, 3, 3], rows: randomMatrix(3, 3), columns: randomMatrix(3, 3) },
];

test.each(cases)("mapPlane of $x and its gradient", async ({ x, rows, columns }) => {
  const [batch, channels, height, width] = x as [number, number, number, number];
  await checkValueAndGradients({
    shapes: [x],
    graph: (x) => onBatchLast(x!, (maps) => mapPlane(maps, rows, columns)),
    reference: (x) =>
      dense([batch, channels, rows.length, columns.length], (b, c, p, q) => {
        let total = 0;
        for (let h = 0; h < height; h++)
          for (let w = 0; w < width; w++) total += rows[p!]![h]! * columns[q!]![w]! * at(x!, b!, c!, h, w);
        return total;
      }),
  });
});

test("batchLast puts the value of image b, channel c, row h, column w at [h, w, c, b]", async () => {
  const maps = batchLast(input("x", [2, 3, 4, 5]));
  expect(maps.shape).toEqual([4, 5, 3, 2]);
  const { y } = await runOnce({ y: maps }, { x: Float32Array.from({ length: 120 }, (_, i) => i) });
  expect([...y!]).toEqual([...dense([4, 5, 3, 2], (h, w, c, b) => ((b! * 3 + c!) * 4 + h!) * 5 + w!).data]);
});

describe("shrinking", () => {
  const apply = (matrix: Matrix, values: readonly number[]): number[] =>
    matrix.map((row) => row.reduce((sum, weight, i) => sum + weight * values[i]!, 0));

  test("to the same size changes nothing", () => {
    expect(shrinking(3, 3)).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });

  test("to half weighs those nearer more, as far as there are any", () => {
    // centres 0.5, 2.5, 4.5; triangles two wide to each side: 1/4, 3/4, 3/4, 1/4
    const [first, middle, last] = shrinking(6, 3);
    expect(middle).toEqual([0, 0.125, 0.375, 0.375, 0.125, 0]);
    const edge = [3 / 7, 3 / 7, 1 / 7, 0, 0, 0];
    first!.forEach((weight, i) => void expect(weight).toBeCloseTo(edge[i]!, 12));
    last!.forEach((weight, i) => void expect(weight).toBeCloseTo(edge[5 - i]!, 12));
  });

  test.each([
    [32, 24],
    [7, 5],
  ])("%i to %i keeps what is even, and a slope but for its ends", (from, to) => {
    const matrix = shrinking(from, to);
    for (const value of apply(matrix, Array(from).fill(3))) expect(value).toBeCloseTo(3, 12);
    const slope = apply(
      matrix,
      Array.from({ length: from }, (_, i) => i),
    );
    const mirrored = apply(
      matrix,
      Array.from({ length: from }, (_, i) => from - 1 - i),
    ).reverse();
    slope.forEach((value, p) => void expect(value).toBeCloseTo(mirrored[p]!, 12));
    for (let p = 1; p < to; p++) expect(slope[p]!).toBeGreaterThan(slope[p - 1]!);
  });
});
