import type { RunLine } from "./data.ts";

interface AgentPanelsProps {
  /** Of a run's `metrics.jsonl`; those of other kinds are passed over. */
  readonly lines: readonly RunLine[];
}

/** The agent's learning: return, distance to optimal stopping, epsilon, exit shares. */
export function AgentPanels(_: AgentPanelsProps) {
  return null;
}
