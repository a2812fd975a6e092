import type { Evaluation } from "./data.ts";

interface EvaluationPanelsProps {
  readonly evaluation: Evaluation;
}

/** All figures of a trained model: exits, classes, confidence and calibration, accuracy against cost beside the yardsticks. */
export function EvaluationPanels(_: EvaluationPanelsProps) {
  return null;
}
