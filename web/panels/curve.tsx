import type { Curve } from "./data.ts";

interface AccuracyCostCurveProps {
  /** "dqn" and any yardsticks; see `calibrationCurve` for a model without more. */
  readonly curves: readonly Curve[];
  /** What costs count; default "MACs". */
  readonly costUnit?: string;
  /** Cost of the backbone with its last head alone: drawn as a line. */
  readonly fullCost?: number;
  /** A lambda: the agent's point there is marked. */
  readonly marker?: number;
  readonly title?: string;
}

/** What accuracy costs: the agent over all lambdas, beside the yardsticks. */
export function AccuracyCostCurve(_: AccuracyCostCurveProps) {
  return null;
}
