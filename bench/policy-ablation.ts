/** What each part of the agent is worth: one option changed at a time. Only validation images are used. */

import { type ExitCosts, type ExitTable, tableSubset } from "../src/exits/exit-table.ts";
import { type DqnOptions, trainAgent } from "../src/policy/dqn.ts";
import { imageReturns, splitFeedback } from "../src/policy/feedback.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { average, LAMBDAS } from "./policy-verdict.ts";

const DENSE: Partial<DqnOptions> = { network: "dense", hidden: [64, 64], dueling: true };
/** The agent of before: it sees everything, and learns step by step from the action taken. */
const BEFORE: Partial<DqnOptions> = { ...DENSE, double: true, updates: "sampled", returnSteps: 1, steps: 6000 };

/** What differs from the defaults. */
export const VARIANTS: Readonly<Record<string, Partial<DqnOptions>>> = {
  "as it is": {},
  "the agent of before": BEFORE,
  "a dense network": DENSE,
  "one step to the estimate, for the episode to its end": { returnSteps: 1 },
  "updates: sampled for allActions": { updates: "sampled" },
  "double: yes": { double: true },
  "squared loss for Huber": { huberDelta: 1e9 },
  "target: copy every 100 for polyak 0.01": { target: { kind: "copy", every: 100 } },
  "8 units an exit for 16": { hidden: [8] },
  "32 units an exit for 16": { hidden: [32] },
  "500 steps for 1,500": { steps: 500 },
  "4,000 steps for 1,500": { steps: 4000 },
  "three members": { members: 3 },
  "rate 0.001 for 0.003": { learningRate: 1e-3 },
  "rate 0.01 for 0.003": { learningRate: 1e-2 },
  "decay: no": { decay: 0 },
  "decay 3 for 0.3": { decay: 3 },
  "averaging: no": { averaging: 0 },
  "replay of 2,000 for 20,000": { replaySize: 2000 },
};

export interface VariantFigures {
  readonly name: string;
  /** mean over seeds of the held-out return, which is a mean over nine lambdas */
  readonly mean: number;
  /** mean over seeds of the difference to "as it is" on the same images */
  readonly difference: number;
  /** of that difference, over seeds */
  readonly std: number;
}

/** Every seed has a split of its own: three quarters of validation are learned from, one judges. */
export async function ablate(
  runtime: Runtime,
  validation: ExitTable,
  costs: ExitCosts,
  seeds: readonly number[],
  options: Partial<DqnOptions>,
  say: (text: string) => void,
): Promise<VariantFigures[]> {
  const lambdas = [...LAMBDAS];
  const all: { name: string; returns: number[] }[] = [];
  for (const [name, changed] of Object.entries(VARIANTS)) {
    const returns: number[] = [];
    for (const seed of seeds) {
      const { learn, select, judge } = splitFeedback(validation.labels, seed);
      const [fit, held] = [Uint32Array.of(...learn, ...select), judge].map((part) => tableSubset(validation, part));
      const { agent } = await trainAgent(runtime, fit!, null, costs, { ...options, ...changed, seed });
      returns.push(average([...(await imageReturns(runtime, agent, held!, costs, lambdas))]));
    }
    say(`${name}: ${returns.map((one) => one.toFixed(4)).join(" ")}`);
    all.push({ name, returns });
  }
  return all.map(({ name, returns }) => {
    const differences = returns.map((one, s) => one - all[0]!.returns[s]!);
    const difference = average(differences);
    const std = Math.sqrt(average(differences.map((one) => (one - difference) ** 2)));
    return { name, mean: average(returns), difference, std };
  });
}
