/** For operators on maps [H, W, C, B], of which the references know nothing: theirs are [B, C, H, W]. */
import { transpose } from "../../src/graph/layout.ts";
import { batchLast } from "../../src/graph/plane.ts";
import type { Tensor } from "../../src/graph/tensor.ts";

/** [H, W, C, B] -> [B, C, H, W] */
export function fromBatchLast(maps: Tensor): Tensor {
  return transpose(maps, [3, 2, 0, 1]);
}

/** An operator on [H, W, C, B], for x [B, C, H, W]; what has no rows and columns is left as it is. */
export function onBatchLast(x: Tensor, operator: (maps: Tensor) => Tensor): Tensor {
  const y = operator(x.shape.length === 4 ? batchLast(x) : x);
  return y.shape.length === 4 ? fromBatchLast(y) : y;
}
