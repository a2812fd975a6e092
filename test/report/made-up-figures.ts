import type { ClassFigures, EvaluationFigures } from "../../src/evaluation/figures.ts";

/** Three exits, two classes; not the figures of any model. */
export const MADE_UP: EvaluationFigures = {
  samples: 5000,
  accuracy: 0.889,
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
  policy: { name: "dqn", lambda: 0.1 },
  yardsticks: [
    { name: "oracle", accuracy: 0.94, savings: 0.61, costMacs: 78_000_000, return: 0.9027 },
    { name: "dqn", accuracy: 0.889, savings: 0.50617284, costMacs: 98_765_432, return: 0.8418 },
    { name: "exit:1", accuracy: 0.71, savings: 0.8025, costMacs: 39_500_000, return: 0.6911 },
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
