import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import type { Agent } from "./agent.ts";
import type { LambdaPoint } from "./lambda-calibration.ts";

/** An agent with all that was found out about it on the validation split. */
export interface LearnedPolicy {
  /** SHA-256 of the network that it was learned for; absent where there was only a table. */
  readonly network?: string;
  readonly agent: Agent;
  readonly costs: ExitCosts;
  /** What the costs count: "MACs", "ms" or whatever the user named; absent: MACs. */
  readonly costUnit?: string;
  /** What the agent was learned with; absent in models of before that was kept. */
  readonly seed?: number;
  /** The recommended lambda. */
  readonly lambda: number;
  /** How the exits fare on the selection half of validation, lambdas rising. */
  readonly calibration: readonly LambdaPoint[];
  /** Exit table of the validation split: any lambda, budget or yardstick is solved from it. */
  readonly validation: ExitTable;
}
