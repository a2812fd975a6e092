import type { ExitCosts } from "../exits/exit-table.ts";
import { networkCost } from "../network/cost.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Agent } from "./agent.ts";
import type { DqnOptions } from "./dqn-options.ts";
import { exitUnitCount } from "./exit-units.ts";
import { meanWidths, policyMacs } from "./q-network.ts";

/** The layers of the agent that learning with these options makes: what its decisions cost is known before. */
export function agentLayers(
  options: Pick<DqnOptions, "network" | "hidden" | "members" | "dueling" | "lambdaRange">,
  exits: number,
): Pick<Agent, "hidden" | "dueling"> {
  const { network, hidden, members, dueling, lambdaRange } = options;
  const own = network === "dense" ? hidden : [exitUnitCount(exits, lambdaRange, hidden[0]!)];
  return { hidden: meanWidths({ hidden: own, members }), dueling };
}

/** Costs of the exits in MACs with the agent's decisions on the way: one at every exit but the last. */
export function exitCosts(
  network: Pick<StagedNetwork, "stages" | "fullMacs" | "classes">,
  agent: Pick<Agent, "hidden" | "dueling">,
): ExitCosts {
  const { exitMacs, fullMacs } = networkCost(network);
  const exits = exitMacs.length;
  const perDecision = policyMacs(exits, network.classes.length, agent.hidden, agent.dueling);
  return { exitMacs: exitMacs.map((macs, k) => macs + Math.min(k + 1, exits - 1) * perDecision), fullMacs };
}
