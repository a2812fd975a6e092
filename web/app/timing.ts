/** How long leaving early takes, and how long the full network: on the same pictures, in turns. */
import type { AdaptiveClassifier, WholeWay } from "earlyexit/web";
import type { Times } from "./protocol.ts";

/** Enough for their median to mean something, few enough not to be waited for. */
const ROUNDS = 7;

/** @param images at least one, each [C, H, W]; the lambda is the classifier's */
export async function timeBeside(
  classifier: AdaptiveClassifier,
  whole: WholeWay,
  images: readonly Uint8Array[],
): Promise<Times> {
  const adaptive: number[] = [];
  const full: number[] = [];
  const rounds = images.length === 1 ? ROUNDS : 1;
  const once = async (pixels: Uint8Array): Promise<[number, number]> => {
    const { latencyMs } = await classifier.classify({ pixels });
    return [latencyMs, await whole.timeFull(pixels)];
  };
  await once(images[0]!); // the first run of a session allocates
  for (let round = 0; round < rounds; round++)
    for (const pixels of images) {
      const [ours, theirs] = await once(pixels);
      adaptive.push(ours);
      full.push(theirs);
    }
  const middle = images.length === 1 ? median : mean;
  return { images: images.length, adaptiveMs: middle(adaptive), fullMs: middle(full) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
