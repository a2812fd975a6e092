import { UserError } from "../errors.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import type { ThresholdDial } from "../yardsticks/threshold-dial.ts";
import type { Agent } from "./agent.ts";
import type { Choice } from "./choice.ts";
import type { Decider } from "./decider.ts";
import type { LambdaPoint } from "./lambda-calibration.ts";

/** An agent with all that was found out about it on the validation split, and the thresholds that it is measured against. */
export interface LearnedPolicy {
  /** SHA-256 of the network that it was learned for; absent where there was only a table. */
  readonly network?: string;
  readonly agent: Agent;
  /** Tuned on the same images; policies of earlier versions have none. */
  readonly thresholds?: ThresholdDial;
  /** Who decides, see `decidingAgent`; absent: the agent. */
  readonly decider?: Decider;
  /** Why; policies of earlier versions have no reason but that there was nobody else. */
  readonly choice?: Choice;
  /** Up to and including each exit, with the agent's decisions on the way; thresholds cost less and are counted the same. */
  readonly costs: ExitCosts;
  /** What the costs count: "MACs", "ms" or whatever the user named; absent: MACs. */
  readonly costUnit?: string;
  /** What the agent was learned with; absent in models of before that was kept. */
  readonly seed?: number;
  /** The recommended lambda. */
  readonly lambda: number;
  /** How what decides fares on validation images that it was not fitted to, lambdas rising. */
  readonly calibration: readonly LambdaPoint[];
  /** Exit table of the validation split: any precision or yardstick is solved from it; null in a slim model, which classifies without it. */
  readonly validation: ExitTable | null;
}

/** @throws {UserError} if the policy came without its exit table */
export function validationOf({ validation }: LearnedPolicy): ExitTable {
  if (validation) return validation;
  throw new UserError(
    "policy: the exit table of its validation pictures (validation.safetensors) expected, found none; load the whole model",
  );
}
