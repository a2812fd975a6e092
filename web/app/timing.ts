/** How long leaving early takes, and how long the full network: on the same pictures, in turns. */
import type { AdaptiveClassifier, WholeWay } from "earlyexit/web";
import type { Times } from "./protocol.ts";

/** Of one picture; enough for their median to mean something, few enough not to be waited for. */
const ROUNDS_OF_ONE = 7;
/** Of many; the fastest of each picture counts, as whatever else the machine does only ever slows it down. */
const ROUNDS_OF_MANY = 3;

/** @param images at least one, each [C, H, W]; the lambda is the classifier's */
export async function timeBeside(
  classifier: AdaptiveClassifier,
  whole: WholeWay,
  images: readonly Uint8Array[],
): Promise<Times> {
  const isOne = images.length === 1;
  const adaptive: number[] = [];
  const full: number[] = [];
  await once(images[0]!); // the first run of a session allocates
  for (const pixels of images) {
    const runs: [number, number][] = [];
    for (let round = 0; round < (isOne ? ROUNDS_OF_ONE : ROUNDS_OF_MANY); round++) runs.push(await once(pixels));
    const chosen = isOne ? median : fastest;
    adaptive.push(chosen(runs.map(([ours]) => ours)));
    full.push(chosen(runs.map(([, theirs]) => theirs)));
  }
  return { images: images.length, adaptiveMs: mean(adaptive), fullMs: mean(full) };

  async function once(pixels: Uint8Array): Promise<[number, number]> {
    const { latencyMs } = await classifier.classify({ pixels });
    return [latencyMs, await whole.timeFull(pixels)];
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function fastest(values: readonly number[]): number {
  return Math.min(...values);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
