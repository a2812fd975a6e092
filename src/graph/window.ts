/** Where a convolution or a pool looks: a window that moves over maps [H, W, C, B], and what lies in it, picked by matrices. */
import { reshape } from "./broadcast.ts";
import { transpose } from "./layout.ts";
import { type Matrix, mapPlane } from "./plane.ts";
import type { Tensor } from "./tensor.ts";

/** Along one side of the map: tap u of window i looks at pixel stride i + dilation u - before. */
export interface Along {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Pixels of nothing before the map and after it. */
  readonly before: number;
  readonly after: number;
}

export interface Window {
  readonly down: Along;
  readonly right: Along;
}

/** Keeps the size at stride 1. @param kernel odd */
export function sameAlong(kernel: number, stride: number): Along {
  const pad = (kernel - 1) / 2;
  return { kernel, stride, dilation: 1, before: pad, after: pad };
}

/** How many windows there are. floor((size + before + after - dilation (kernel - 1) - 1) / stride) + 1 */
export function windowsAlong(size: number, { kernel, stride, dilation, before, after }: Along): number {
  return Math.floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** Stride 1, and as many pixels around as keep the map's size. */
export function isPlain({ down, right }: Window, kernel: number): boolean {
  const pad = (kernel - 1) / 2;
  return [down, right].every(
    (one) => one.kernel === kernel && one.stride === 1 && one.dilation === 1 && one.before === pad && one.after === pad,
  );
}

/** Each window's k x k pixels, [H', W', k k, C, B]: picked by matrices of zeros and ones. @param x [H, W, C, B] */
export function neighbourhoods(x: Tensor, { down, right }: Window): Tensor {
  const [height, width, channels, batch] = x.shape as [number, number, number, number];
  const [tall, wide] = [windowsAlong(height, down), windowsAlong(width, right)];
  if (isPlain({ down, right }, 1)) return reshape(x, [height, width, 1, channels, batch]);
  const picked = mapPlane(x, pickMatrix(height, down), pickMatrix(width, right));
  const apart = reshape(picked, [tall, down.kernel, wide, right.kernel, channels, batch]);
  return reshape(transpose(apart, [0, 2, 1, 3, 4, 5]), [tall, wide, down.kernel * right.kernel, channels, batch]);
}

/** [size' k, size]: row k i + u has a one at its pixel; a row whose pixel lies outside is zero. */
function pickMatrix(size: number, along: Along): Matrix {
  const { kernel, stride, dilation, before } = along;
  return Array.from({ length: windowsAlong(size, along) * kernel }, (_, row) => {
    const from = stride * Math.floor(row / kernel) + dilation * (row % kernel) - before;
    return Array.from({ length: size }, (_, pixel) => Number(pixel === from));
  });
}
