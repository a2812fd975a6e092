/** The images of a benchmark, batch by batch, and what became of them. */
import type { Samples } from "../dataset/dataset.ts";
import type { Classification } from "../inference/classification.ts";

export interface ChosenImages {
  readonly samples: Samples;
  /** which of them, in which order; they come again where a run needs more */
  readonly order: Uint32Array;
}

export function batchPixels({ samples, order }: ChosenImages, batch: number): (round: number) => Uint8Array {
  const size = samples.pixels.imageBytes;
  const pixels = new Uint8Array(batch * size);
  return (round) => {
    for (let i = 0; i < batch; i++) {
      const image = order[(round * batch + i) % order.length]!;
      pixels.set(samples.pixels.read(image, image + 1), i * size);
    }
    return pixels;
  };
}

/** Counts exits and right answers, each image once. */
export function tally({ samples, order }: ChosenImages, batch: number, exits: number) {
  const counts = new Array<number>(exits).fill(0);
  let right = 0;
  return {
    add(answers: readonly Classification[], round: number): void {
      for (const [i, { exit, classIndex }] of answers.entries()) {
        const position = round * batch + i;
        if (position >= order.length) return;
        counts[exit - 1]! += 1;
        if (classIndex === samples.labels[order[position]!]) right++;
      }
    },
    result: () => ({ accuracy: right / order.length, exitShares: counts.map((count) => count / order.length) }),
  };
}
