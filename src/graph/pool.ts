import { reshape } from "./broadcast.ts";
import { multiply, subtract } from "./elementwise.ts";
import { slice, transpose } from "./layout.ts";
import { mapPlane } from "./plane.ts";
import { reduceMax, reduceMean } from "./reduce.ts";
import { differentiable, node, show, type Tensor } from "./tensor.ts";

/** @param [height, width] of the maps of x */
export function checkPool(where: string, x: Tensor, [height, width]: readonly [number, number], size: number): void {
  if (x.shape.length !== 4 || height < size || width < size)
    throw new RangeError(`${where}: maps of 4 axes with H and W of at least ${size} expected, found ${show(x.shape)}`);
}

/** Without the rows and columns at the end that fill no square. @param x [H, W, C, B] */
function wholeSquares(x: Tensor, size: number): Tensor {
  const [height, width] = x.shape as [number, number];
  const rows = height % size === 0 ? x : slice(x, 0, 0, height - (height % size));
  return width % size === 0 ? rows : slice(rows, 1, 0, width - (width % size));
}

/**
 * Largest value of each size x size square; rows and columns at the end that fill none are left out, as everywhere in ONNX.
 *
 * The gradient goes to the values that equal the largest: to every one of them at a tie. After a ReLU, where ties
 * are common, they are zeros that pass nothing on. (`MaxPool` with indices would pick one, on a single thread.)
 *
 * @param x [H, W, C, B]
 * @returns [floor(H / size), floor(W / size), C, B]
 */
export function maxPool(x: Tensor, size = 2): Tensor {
  checkPool("maxPool", x, [x.shape[0]!, x.shape[1]!], size);
  return maxOfSquares(wholeSquares(x, size), size);
}

/** @param x [H, W, C, B], both sides multiples of `size` */
function maxOfSquares(x: Tensor, size: number): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const [down, right, values] = [height / size, width / size, channels * batch];
  const ofRows = reduceMax(reshape(x, [down, size, width * values]), [1]);
  const largest = reduceMax(reshape(ofRows, [down * right, size, values]), [1]);
  const one = [down, 1, right, 1, values];
  return differentiable(reshape(largest, [down, right, channels, batch]), [x], (dy) => {
    const squares = reshape(x, [down, size, right, size, values]);
    const mask = isLargest(squares, reshape(largest, one));
    return [reshape(multiply(mask, reshape(dy, one)), x.shape)];
  });
}

/** 1 where x equals the largest value, else 0, for x <= largest: max(0, 1 + 1e38 (x - largest)), one pass less than comparing and casting. */
function isLargest(x: Tensor, largest: Tensor): Tensor {
  const below = subtract(x, largest);
  return node("HardSigmoid", [below], { alpha: { float: 1e38 }, beta: { float: 1 } }, below.shape);
}

/** Mean of each size x size square. @param x [H, W, C, B] @returns [floor(H / size), floor(W / size), C, B] */
export function averagePool(x: Tensor, size = 2): Tensor {
  const [height, width] = x.shape as [number, number];
  checkPool("averagePool", x, [height, width], size);
  const means = (pixels: number) =>
    Array.from({ length: Math.floor(pixels / size) }, (_, i) =>
      Array.from({ length: pixels }, (_, pixel) => (Math.floor(pixel / size) === i ? 1 / size : 0)),
    );
  return mapPlane(x, means(height), means(width));
}

/** Mean over H and W: [H, W, C, B] -> [B, C] */
export function globalAveragePool(x: Tensor): Tensor {
  return transpose(reduceMean(x, [0, 1]), [1, 0]);
}

/** Largest over H and W: [H, W, C, B] -> [B, C]. Ties share the gradient as in `maxPool`. */
export function globalMaxPool(x: Tensor): Tensor {
  const largest = reduceMax(x, [0, 1]); // [C, B]
  return differentiable(transpose(largest, [1, 0]), [x], (dy) => [
    multiply(isLargest(x, largest), transpose(dy, [1, 0])),
  ]);
}
