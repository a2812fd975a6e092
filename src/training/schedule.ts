import type { Recipe } from "./recipe.ts";

/**
 * The learning rate at a point of the training.
 *
 * @param epoch epochs done, with fraction, in [0, epochs)
 * @see Loshchilov and Hutter, "SGDR" (ICLR 2017) for the restarts; Smith (2018) for the triangle
 */
export function learningRateAt(recipe: Recipe, epoch: number): number {
  const { learningRate: peak, schedule, epochs } = recipe;
  switch (schedule.name) {
    case "triangular": {
      const progress = epoch / epochs;
      if (progress < schedule.warmup) return (peak * progress) / schedule.warmup;
      return peak * (1 - ((1 - schedule.end) * (progress - schedule.warmup)) / (1 - schedule.warmup));
    }
    case "cosine": {
      if (epoch < schedule.warmupEpochs) return (peak * epoch) / schedule.warmupEpochs;
      return halfCosine(peak, 0, (epoch - schedule.warmupEpochs) / (epochs - schedule.warmupEpochs));
    }
    case "cosineRestarts": {
      let start = 0;
      let length = schedule.firstEpochs;
      while (epoch >= start + length) {
        start += length;
        length *= schedule.factor;
      }
      return halfCosine(peak, schedule.minimum, (epoch - start) / length);
    }
  }
}

function halfCosine(from: number, to: number, progress: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * progress))) / 2;
}

/**
 * Weight of each exit's loss, summing to 1.
 *
 * @param progress share of the training that is done, 0..1
 */
export function exitWeightsAt(recipe: Recipe, exits: number, progress: number): Float32Array {
  const { exitWeights } = recipe;
  const raw = Float32Array.from({ length: exits }, (_, k) =>
    typeof exitWeights === "object"
      ? exitWeights.start[k]! * (1 - progress) + exitWeights.end[k]! * progress
      : exitWeights === "rising"
        ? k + 2
        : 1,
  );
  const sum = raw.reduce((a, b) => a + b);
  return raw.map((weight) => weight / sum);
}

/** Decay of the weight average: small at first, so that the start is forgotten. min(decay, (1 + step) / (10 + step)) */
export function averageDecayAt(decay: number, step: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}
