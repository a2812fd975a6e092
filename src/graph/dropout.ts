import { compare, multiply, scale } from "./elementwise.ts";
import { randomInput, scalar, show, type Tensor } from "./tensor.ts";

/**
 * Sets values to zero with probability `rate` and divides the others by 1 - rate (training only).
 *
 * The coin for each value comes from a random input, so the same seed gives the same bytes on every device, and a
 * resumed training draws what it would have drawn.
 *
 * @param name of the random input, unique in the graph
 * @param whole "values": one coin per value; "channels": one per image and channel (x [H, W, C, B]), Tompson et al. (2015)
 * @throws {RangeError} unless 0 <= rate < 1
 * @see Srivastava et al., "Dropout" (JMLR 2014)
 */
export function dropout(x: Tensor, rate: number, name: string, whole: "values" | "channels" = "values"): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`dropout: rate in [0, 1) expected, found ${rate}`);
  if (whole === "channels" && x.shape.length !== 4)
    throw new RangeError(`dropout: x [H, W, C, B] expected for whole channels, found ${show(x.shape)}`);
  if (rate === 0) return x;
  const coins = randomInput(name, whole === "channels" ? x.shape.slice(2) : x.shape);
  const mask = scale(compare(coins, "GreaterOrEqual", scalar(rate)), 1 / (1 - rate));
  return multiply(x, mask);
}
