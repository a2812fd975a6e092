/** What policies are called where a person reads of them. */
const NAMES: Readonly<Record<string, string>> = {
  dqn: "agent (dqn)",
  optimal: "optimal stopping (estimated)",
  oracle: "oracle (in hindsight)",
  random: "random exit",
  "threshold:confidence": "threshold on confidence",
  "threshold:margin": "threshold on margin",
  "threshold:entropy": "threshold on entropy",
};

/** @param name "dqn" or that of a yardstick; one that is not known here is shown as it is */
export function policyName(name: string): string {
  return NAMES[name] ?? (isFixedExit(name) ? `always exit ${name.slice("exit:".length)}` : name);
}

export function isFixedExit(name: string): boolean {
  return name.startsWith("exit:");
}
