import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import type { Agent } from "./agent.ts";
import type { LambdaPoint } from "./lambda-calibration.ts";

/** An agent with all that was found out about it on the validation split. */
export interface LearnedPolicy {
  readonly agent: Agent;
  readonly costs: ExitCosts;
  /** What the costs count: "MACs", "ms" or whatever the user named; absent: MACs. */
  readonly costUnit?: string;
  /** The recommended lambda. */
  readonly lambda: number;
  /** How the exits fare on the selection half of validation, lambdas rising. */
  readonly calibration: readonly LambdaPoint[];
  /** Exit table of the validation split: any lambda, budget or yardstick is solved from it. */
  readonly validation: ExitTable;
}
