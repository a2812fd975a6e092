/**
 * Winograd's minimal filtering F(4, 3): four neighbouring outputs of a 3-tap filter from six inputs with 6 products in place of 12;
 * in the plane, 4x4 outputs from 6x6 inputs with 36 in place of 144.
 *
 *     y = A^T [(G w G^T) * (B^T d B)] A        w 3x3 filter, d 6x6 inputs, * element by element, summed over channels
 *
 * @see Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), section 4.3. Ours transforms all tiles of
 * all images at once: B^T, placed once per tile along a map's side and with its zero padding cut off, is one matrix, and so is A^T.
 */
import { reshape } from "./broadcast.ts";
import { matMul, swapLast } from "./linear.ts";
import { type Matrix, mapPlane } from "./plane.ts";
import { constant, differentiable, type Tensor } from "./tensor.ts";

/** Outputs of a tile along one side. */
const OUT = 4;
/** Inputs of a tile along one side, and products. */
const IN = 6;

/** B^T, [6, 6] */
const INPUT: Matrix = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];

/** G, [6, 3] */
const FILTER: Matrix = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/** A^T, [4, 6] */
const OUTPUT: Matrix = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];

/**
 * Cross-correlation with 3x3 filters, stride 1 and one pixel of zero padding; every part is linear, so its gradients are those of
 * its parts. With L = ceil(H / 4) and M = ceil(W / 4) tiles along the sides:
 *
 * @param x [H, W, C, B]
 * @param weight [O, C, 3, 3]
 * @returns [H, W, O, B]
 */
export function winogradConv(x: Tensor, weight: Tensor): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const [out] = weight.shape as [number];
  const [tall, wide] = [Math.ceil(height / OUT), Math.ceil(width / OUT)];
  const tiles = mapPlane(x, inputMatrix(height), inputMatrix(width)); // [6 L, 6 M, C, B]
  const products = matMul(
    reshape(transformedFilters(weight), [1, IN, 1, IN, out, channels]),
    reshape(tiles, [tall, IN, wide, IN, channels, batch]),
  ); // [L, 6, M, 6, O, B]
  return mapPlane(reshape(products, [tall * IN, wide * IN, out, batch]), outputMatrix(height), outputMatrix(width));
}

/** G w G^T of every filter: [O, C, 3, 3] -> [36, O C]. The runtime transposes inside a product, so no copy is turned round. */
function transformedFilters(weight: Tensor): Tensor {
  const [out, channels] = weight.shape as [number, number];
  const both = FILTER.flatMap((row) => FILTER.map((column) => row.flatMap((a) => column.map((b) => a * b)))); // [36, 9]
  const transform = constant(both.flat(), [IN * IN, 9]);
  const value = matMul(transform, swapLast(reshape(weight, [out * channels, 9])));
  return differentiable(value, [weight], (dy) => [reshape(matMul(swapLast(dy), transform), weight.shape)]);
}

/** [6 L, size]: row 6 l + i takes from pixel 4 l - 1 + j with factor B^T[i, j]; what lies outside is zero. */
function inputMatrix(size: number): Matrix {
  const tiles = Math.ceil(size / OUT);
  return Array.from({ length: tiles * IN }, (_, row) => {
    const first = Math.floor(row / IN) * OUT - 1;
    return Array.from({ length: size }, (_, pixel) => INPUT[row % IN]![pixel - first] ?? 0);
  });
}

/** [size, 6 L]: pixel 4 l + i takes from product 6 l + j with factor A^T[i, j]. */
function outputMatrix(size: number): Matrix {
  const tiles = Math.ceil(size / OUT);
  return Array.from({ length: size }, (_, pixel) => {
    const first = Math.floor(pixel / OUT) * IN;
    return Array.from({ length: tiles * IN }, (_, product) => OUTPUT[pixel % OUT]![product - first] ?? 0);
  });
}
