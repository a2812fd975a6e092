import type { ExitCosts } from "../exits/exit-table.ts";
import { networkCost } from "../network/cost.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Agent } from "./agent.ts";
import { policyMacs } from "./q-network.ts";

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
