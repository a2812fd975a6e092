/**
 * The classifier at a cut of somebody else's network: features are pooled, then one hidden layer or none.
 *
 * Letters: B batch, C channels, H, W, L tokens, D width, G grid, F features, K classes.
 */
import { reshape } from "../graph/broadcast.ts";
import { cast, relu } from "../graph/elementwise.ts";
import { globalMaxPool } from "../graph/inference.ts";
import { concat, transpose } from "../graph/layout.ts";
import { linear } from "../graph/linear.ts";
import type { Matrix } from "../graph/plane.ts";
import { reduceMean } from "../graph/reduce.ts";
import { constant, integers, node, type Shape, sizeOf, type Tensor } from "../graph/tensor.ts";
import { BLOCK } from "./blocked-layout.ts";
import type { Weights } from "./weights.ts";

export interface HeadShape {
  /** G: a map is averaged over G x G fields; 1 where there is no map. */
  readonly grid: number;
  /** Width of the hidden layer; 0: none. */
  readonly hidden: number;
}

const GRIDS = [4, 2, 1] as const;

/** The finest grid that fits the map and gives at most `most` features; 1 where there is no map. @param shape of the tensor */
export function gridFor(given: Shape, most: number): number {
  if (given.length !== 4) return 1;
  const shape = channelsFirst(given);
  const side = Math.min(shape[2]!, shape[3]!);
  return GRIDS.find((grid) => grid <= side && featureCount(shape, grid) <= most) ?? 1;
}

/** A square map whose last two axes differ has its channels last. */
export function isChannelsLast([, a, b, c]: Shape): boolean {
  return a === b && b !== c;
}

/** [B, C, H, W] of a map whose channels may be last. */
function channelsFirst(shape: Shape): Shape {
  const [batch, a, b, c] = shape as [number, number, number, number];
  return isChannelsLast(shape) ? [batch, c, a, b] : shape;
}

/**
 * - a map [B, C, H, W] or [B, H, W, C]: its mean over G x G fields, and its maximum -> [B, C G G + C]
 * - tokens [B, L, D]: the first one, which may be a class token, and the mean of all -> [B, 2 D]
 * - [B, D]: as it is
 */
export function pooledFeatures(given: Tensor, grid: number): Tensor {
  const x = given.type === "float32" ? given : cast(given, "float32");
  const [batch, width = 1] = x.shape as [number, number];
  if (x.shape.length === 2) return x;
  if (x.shape.length === 3) {
    const first = reshape(node("Gather", [x, integers([0])], { axis: 1 }, [batch, 1, x.shape[2]!]), [
      batch,
      x.shape[2]!,
    ]);
    return concat([first, reduceMean(x, [1])], 1);
  }
  if (x.shape.length !== 4) return mapFeatures(reshape(x, [batch, width, 1, sizeOf(x.shape.slice(2))]), 1);
  return mapFeatures(isChannelsLast(x.shape) ? transpose(x, [0, 3, 1, 2]) : x, grid);
}

function mapFeatures(map: Tensor, grid: number): Tensor {
  return concat([averages(map, grid), globalMaxPool(map)], 1);
}

/** F */
export function featureCount(shape: Shape, grid: number): number {
  if (shape.length === 2) return shape[1]!;
  if (shape.length === 3) return 2 * shape[2]!;
  return shape.length === 4 ? channelsFirst(shape)[1]! * (grid * grid + 1) : 2 * shape[1]!;
}

/** [G, size] the means of those fields along one side, as a matrix. */
export function fieldMeans(size: number, grid: number): Matrix {
  const [stride, kernel] = fieldsAlong(size, grid);
  return Array.from({ length: grid }, (_, i) =>
    Array.from({ length: size }, (_, pixel) => (pixel >= i * stride && pixel < i * stride + kernel ? 1 / kernel : 0)),
  );
}

/** How far apart fields begin, and how large they are. */
function fieldsAlong(size: number, grid: number): [stride: number, kernel: number] {
  const stride = Math.floor(size / grid);
  return [stride, size - (grid - 1) * stride];
}

/**
 * Fields of equal size that cover the map; they overlap where it is no multiple of the grid. Where channels do not fill blocks of 16 but
 * with each row of fields as channels of their own do, they are pooled so: in ONNX Runtime 5 to 40 microseconds in place of 200.
 */
function averages(x: Tensor, grid: number): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  if (grid > 1 && height % grid === 0 && channels % BLOCK !== 0 && (channels * grid) % BLOCK === 0) {
    const rows = reshape(x, [batch, channels * grid, height / grid, width]);
    const [stride, kernel] = fieldsAlong(width, grid);
    const attributes = { kernel_shape: [height / grid, kernel], strides: [1, stride] };
    const pooled = node("AveragePool", [rows], attributes, [batch, channels * grid, 1, grid]);
    return reshape(pooled, [batch, channels * grid * grid]);
  }
  const sides = [fieldsAlong(height, grid), fieldsAlong(width, grid)];
  const attributes = { kernel_shape: sides.map(([, kernel]) => kernel), strides: sides.map(([stride]) => stride) };
  const pooled = node("AveragePool", [x], attributes, [batch, channels, grid, grid]);
  return reshape(pooled, [batch, channels * grid * grid]);
}

/** Pooled features to logits [B, K]. @param parameter a weight by its name within the head */
export function headLogits(
  features: Tensor,
  { hidden }: Pick<HeadShape, "hidden">,
  parameter: (name: string) => Tensor,
  dropped: (x: Tensor) => Tensor = (x) => x,
): Tensor {
  const x =
    hidden > 0 ? dropped(relu(linear(features, parameter("hidden.weight"), parameter("hidden.bias")))) : features;
  return linear(x, parameter("out.weight"), parameter("out.bias"));
}

/** [name, shape] of its weights. */
export function headWeights(
  features: number,
  { hidden }: Pick<HeadShape, "hidden">,
  classes: number,
): [string, Shape][] {
  const last = hidden || features;
  return [
    ...(hidden
      ? ([
          ["hidden.weight", [hidden, features]],
          ["hidden.bias", [hidden]],
        ] as [string, Shape][])
      : []),
    ["out.weight", [classes, last]],
    ["out.bias", [classes]],
  ];
}

/** A head of a finished network. @param prefix of its weights' names */
export function buildHead(x: Tensor, shape: HeadShape, weights: Weights, prefix: string): Tensor {
  return headLogits(pooledFeatures(x, shape.grid), shape, (name) => {
    const found = weights.get(prefix + name)!;
    return constant(found.data, found.shape);
  });
}
