import type { Times } from "../protocol.ts";

/** One picture in milliseconds, many in images per second. */
export function timesText({ images, adaptiveMs, fullMs }: Times): string {
  if (images === 1)
    return `${ms(adaptiveMs)} instead of ${ms(fullMs)} for the full network, on this machine (median of seven runs of each).`;
  const [ours, theirs] = [1000 / adaptiveMs, 1000 / fullMs].map((one) => Number(one.toPrecision(2)));
  return `One by one: ${ours} images per second, ${theirs} with the full network (${images} of them on this machine, the fastest of three runs of each).`;
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
