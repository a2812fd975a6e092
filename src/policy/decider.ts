/** Who decides in a model: the agent, or tuned thresholds written as a Q-network, so that everything that runs an agent runs them too. */
import { dialOf } from "../exits/observation.ts";
import type { ThresholdDial } from "../yardsticks/threshold-dial.ts";
import type { Agent } from "./agent.ts";
import { dialUnits, type ExitUnit, exitUnitWeights } from "./exit-units.ts";

export const DECIDERS = ["dqn", "threshold:confidence", "threshold:margin", "threshold:entropy"] as const;
export type Decider = (typeof DECIDERS)[number];

/** What can decide, and what does. */
export interface Deciding {
  readonly agent: Agent;
  /** Tuned on the same images as the agent; policies of earlier versions have none. */
  readonly thresholds?: ThresholdDial;
  /** Absent: the agent. */
  readonly decider?: Decider;
}

/**
 * What decides, as an agent: graphs, exports, page and service know nothing else. Of thresholds, "Q" of leaving is the exit's score and
 * "Q" of going on the threshold: the larger one decides, as ever.
 */
export function decidingAgent({ agent, thresholds, decider = "dqn" }: Deciding): Agent {
  return decider === "dqn" || !thresholds ? agent : thresholdAgent(agent, thresholds);
}

/** An agent that leaves where the score reaches the threshold. Entropy counts with its sign turned. */
export function thresholdAgent(agent: Agent, { score, lambdas, thresholds }: ThresholdDial): Agent {
  const { exits, classes } = agent;
  const sign = score === "entropy" ? -1 : 1;
  const dials = lambdas.map(dialOf);
  const units = thresholds[0]!.flatMap((_, exit): ExitUnit[] => {
    const unit = { exit, bias: 0, dial: 0, [score]: 1, toContinue: 0, toExit: sign };
    const values = thresholds.map((row) => row[exit]!);
    return [unit, ...dialUnits(exit, dials, values, sign)];
  });
  const weights = exitUnitWeights(units, exits, classes);
  return { ...agent, weights, hidden: [units.length], dueling: false };
}
