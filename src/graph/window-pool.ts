/** Pools with any window, on maps [H, W, C, B]; those whose windows are squares side by side are in `pool.ts`. */
import { multiply, subtract } from "./elementwise.ts";
import { everyNth, pad } from "./layout.ts";
import { type Matrix, mapPlane } from "./plane.ts";
import { differentiable, node, type Tensor } from "./tensor.ts";
import { type Along, type Window, windowsAlong } from "./window.ts";

/**
 * Mean over each window. A product of two matrices, as the count of a window's pixels is a product of two counts.
 *
 * @param x [H, W, C, B]
 * @param countsPadding whether zeros around the map count as pixels
 * @returns [H', W', C, B]
 */
export function windowAveragePool(x: Tensor, { down, right }: Window, countsPadding: boolean): Tensor {
  return mapPlane(x, means(x.shape[0]!, down, countsPadding), means(x.shape[1]!, right, countsPadding));
}

/** [size', size] */
function means(size: number, along: Along, countsPadding: boolean): Matrix {
  const { kernel, stride, dilation, before, after } = along;
  return Array.from({ length: windowsAlong(size, along) }, (_, i) => {
    const places = Array.from({ length: kernel }, (_, u) => stride * i + dilation * u - before);
    const inside = places.filter((place) => place >= 0 && place < size);
    const counted = countsPadding ? places.filter((place) => place < size + after).length : inside.length;
    return Array.from({ length: size }, (_, pixel) => (inside.includes(pixel) ? 1 / counted : 0));
  });
}

/**
 * Largest value of each window: first of its rows, then of its columns. The gradient goes to every value that equals the largest.
 *
 * @param x [H, W, C, B]
 * @returns [H', W', C, B]
 */
export function windowMaxPool(x: Tensor, { down, right }: Window): Tensor {
  return largestAlong(largestAlong(x, 0, down), 1, right);
}

/** Less than any value of a map: what lies around it never wins. */
const NOTHING = -3e38;

function largestAlong(x: Tensor, axis: number, along: Along): Tensor {
  const { kernel, stride, dilation, before } = along;
  if (kernel === 1 && stride === 1) return x;
  const size = x.shape[axis]!;
  const count = windowsAlong(size, along);
  const reach = (count - 1) * stride + dilation * (kernel - 1) + 1; // of all windows together
  const after = Math.max(0, reach - before - size);
  const around = (many: number): number[] => x.shape.map((_, i) => (i === axis ? many : 0));
  const surrounded = before + after > 0 ? pad(x, around(before), around(after), NOTHING) : x;
  const taps = Array.from({ length: kernel }, (_, u) => everyNth(surrounded, axis, u * dilation, stride, count));
  const y: Tensor = node("Max", taps, {}, taps[0]!.shape, x.type);
  return differentiable(y, taps, (dy) => taps.map((tap) => multiply(dy, isLargest(tap, y))));
}

/** 1 where x equals the largest value, else 0, for x <= largest */
function isLargest(x: Tensor, largest: Tensor): Tensor {
  const below = subtract(x, largest);
  return node("HardSigmoid", [below], { alpha: { float: 1e38 }, beta: { float: 1 } }, below.shape);
}
