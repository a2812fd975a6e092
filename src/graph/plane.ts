/**
 * Linear maps of the plane. While a network is trained, its maps are [H, W, C, B]: the batch is the innermost axis, so that
 * whatever happens to a pixel happens to whole rows of numbers, and a linear map of rows or of columns is one matrix product.
 * Convolutions, their columns and average pools are made of it; its gradient is the map with both matrices transposed.
 */
import { reshape } from "./broadcast.ts";
import { transpose } from "./layout.ts";
import { constant, differentiable, node, show, type Tensor } from "./tensor.ts";

/** A constant matrix, one array per row. */
export type Matrix = readonly (readonly number[])[];

/** [B, C, H, W] -> [H, W, C, B] */
export function batchLast(images: Tensor): Tensor {
  return transpose(images, [2, 3, 1, 0]);
}

/**
 * y[p, q, c, b] = sum over h, w of rows[p, h] columns[q, w] x[h, w, c, b]
 *
 * @param x [H, W, C, B]
 * @param rows [P, H]
 * @param columns [Q, W]
 * @returns [P, Q, C, B]
 * @throws {RangeError} if a matrix does not fit
 */
export function mapPlane(x: Tensor, rows: Matrix, columns: Matrix): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  if (x.shape.length !== 4 || rows[0]?.length !== height || columns[0]?.length !== width)
    throw new RangeError(
      `mapPlane: x [H, W, C, B] with matrices [P, H] and [Q, W] expected, found ${show(x.shape)}, ` +
        `[${rows.length}, ${rows[0]?.length}] and [${columns.length}, ${columns[0]?.length}]`,
    );
  const [p, q, values] = [rows.length, columns.length, channels * batch];
  const byRow = node("MatMul", [asConstant(rows), reshape(x, [height, width * values])], {}, [p, width * values]);
  const byColumn = node("MatMul", [asConstant(columns), reshape(byRow, [p, width, values])], {}, [p, q, values]);
  const y = reshape(byColumn, [p, q, channels, batch]);
  return differentiable(y, [x], (dy) => [mapPlane(dy, transposed(rows), transposed(columns))]);
}

function asConstant(matrix: Matrix): Tensor {
  return constant(matrix.flat(), [matrix.length, matrix[0]!.length]);
}

function transposed(matrix: Matrix): number[][] {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}
