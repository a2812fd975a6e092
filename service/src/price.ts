/**
 * The price of computing as the queue sets it:
 *
 *     lambda = min(base * exp(4 * waitMs / waitPartMs), most)
 *
 * Nobody waits: the base price. A request that has waited a quarter of its part pays e times as much, one that has waited all of it 55
 * times, and leaves at the first exits. The agent takes any lambda, so that one number steers the whole service.
 *
 * @param base lambda of a quiet service, above 0
 * @param most the largest lambda that the agent knows
 * @param waitMs how long the oldest request of the batch has waited, in milliseconds
 * @param waitPartMs the part of the promised time that may go by waiting
 * @throws {RangeError} if one of them is out of its range
 */
export function priceOf({ base, most, waitPartMs }: PriceOptions, waitMs: number): number {
  if (!(base > 0 && most >= base)) throw new RangeError(`price: 0 < base <= most expected, found ${base} and ${most}`);
  if (!(waitPartMs > 0 && waitMs >= 0))
    throw new RangeError(
      `price: a wait of at least 0 ms and a part above 0 ms expected, found ${waitMs} and ${waitPartMs}`,
    );
  return Math.min(base * Math.exp((STEEPNESS * waitMs) / waitPartMs), most);
}

export interface PriceOptions {
  readonly base: number;
  readonly most: number;
  readonly waitPartMs: number;
}

const STEEPNESS = 4;

/** Of the promised time, what may go by waiting; the rest is for decoding, computing and the way back. */
export const WAIT_SHARE = 0.25;
