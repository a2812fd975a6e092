import type { ClassFigures, EvaluationFigures } from "../../src/evaluation/figures.ts";

/** Three exits, two classes; not the figures of any model. */
export const MADE_UP: EvaluationFigures = {
  samples: 5000,
  accuracy: 0.889,
  balancedAccuracy: 0.95,
  costMacs: { mean: 98_765_432, full: 200_000_000 },
  savings: 0.50617284,
  depthSavings: 0.55,
  effectiveness: 44.99876,
  depthEffectiveness: 48.895,
  intervals: {
    accuracy: [0.8802, 0.8976],
    costMacs: [97_000_000, 100_500_000],
    savings: [0.4975, 0.515],
    effectiveness: [44.1, 45.9],
  },
  exits: [
    exit(1, 0.3, 0.97, 0.71, 39_500_000, 0.012),
    exit(2, 0.7, 0.8543, 0.86, 124_150_000, 0.008),
    { ...exit(3, 0, 0, 0.895, 209_400_000, 0.0301), accuracy: null, meanConfidence: null, stdConfidence: null },
  ],
  classes: [
    oneClass("circle", 0.95),
    { name: "square", samples: 0, accuracy: null, accuracyInterval: null, exitShares: null, accuracyIfAlways: null },
  ],
  policy: { name: "dqn", lambda: 0.1, seed: 3 },
  yardsticks: [
    { name: "oracle", accuracy: 0.94, savings: 0.61, costMacs: 78_000_000, return: 0.9027 },
    { name: "dqn", accuracy: 0.889, savings: 0.50617284, costMacs: 98_765_432, return: 0.8418 },
    {
      name: "exit:1",
      accuracy: 0.71,
      savings: 0.8025,
      costMacs: 39_500_000,
      return: 0.6911,
      minusAgent: {
        accuracy: { value: -0.179, interval: [-0.192, -0.166] },
        savings: { value: 0.29632716, interval: [0.288, 0.305] },
        return: { value: -0.1507, interval: [-0.163, -0.139] },
      },
    },
    { name: "exit:2", accuracy: 0.86, savings: 0.37925, costMacs: 124_150_000, return: 0.8007 },
    {
      name: "exit:3",
      accuracy: 0.895,
      savings: -0.047,
      costMacs: 209_400_000,
      return: 0.795,
      minusAgent: {
        accuracy: { value: 0.006, interval: [-0.001, 0.013] },
        savings: { value: -0.55317284, interval: [-0.561, -0.545] },
        return: { value: -0.0468, interval: [-0.054, -0.04] },
      },
    },
    {
      name: "threshold:entropy",
      accuracy: 0.887,
      savings: 0.53,
      costMacs: 94_000_000,
      return: 0.8421,
      minusAgent: {
        accuracy: { value: -0.002, interval: [-0.006, 0.002] },
        savings: { value: 0.02382716, interval: [0.015, 0.032] },
        return: { value: 0.0003, interval: [-0.0041, 0.0047] },
      },
      fitted: { thresholds: [0.41234567, -1e9] },
    },
  ],
  dataset: { name: "drawings", split: "test", sha256: "00ff" },
  seed: 7,
  version: "0.1.0",
};

export function oneClass(name: string, accuracy: number): ClassFigures {
  return {
    name,
    samples: 2500,
    accuracy,
    accuracyInterval: [accuracy - 0.01, accuracy + 0.008],
    exitShares: [0.25, 0.75, 0],
    accuracyIfAlways: [0.7, 0.8, 0.9],
  };
}

function exit(
  number: number,
  share: number,
  accuracy: number,
  accuracyIfAlways: number,
  costMacs: number,
  ece: number,
): EvaluationFigures["exits"][number] {
  return {
    exit: number,
    share,
    accuracy,
    accuracyIfAlways,
    costMacs,
    meanConfidence: 0.91,
    stdConfidence: 0.0723,
    ece,
    eceUnscaled: 2 * ece,
  };
}
