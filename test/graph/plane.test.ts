import { expect, test } from "vitest";
import { batchLast, type Matrix, mapPlane } from "../../src/graph/plane.ts";
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
