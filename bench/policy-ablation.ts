/** What each part of the agent is worth: one option changed at a time. Only validation images are used. */

import { type ExitCosts, type ExitTable, tableSubset } from "../src/exits/exit-table.ts";
import { lambdaGrid } from "../src/exits/lambda-grid.ts";
import { type DqnOptions, trainAgent } from "../src/policy/dqn.ts";
import { imageReturns, splitFeedback } from "../src/policy/feedback.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { average } from "./policy-returns.ts";

const NOTHING: Partial<DqnOptions> = {
  double: false,
  dueling: false,
  huberDelta: 1e9,
  target: { kind: "copy", every: 100 },
  averaging: 0,
  decay: 0,
};

/** What differs from the defaults. */
export const VARIANTS: Readonly<Record<string, Partial<DqnOptions>>> = {
  "as it is": {},
  "double: no": { double: false },
  "dueling: no": { dueling: false },
  "squared loss for Huber": { huberDelta: 1e9 },
  "target: copy every 100 for polyak 0.01": { target: { kind: "copy", every: 100 } },
  "updates: allActions for sampled": { updates: "allActions" },
  "three members of 4,000 steps for one of 6,000": { members: 3, steps: 4000 },
  "rate 0.001 for 0.003": { learningRate: 1e-3 },
  "20,000 steps for 6,000": { steps: 20_000 },
  "lambdas from 0.002 for 0.0005": { lambdaRange: { from: 0.002, to: 1 } },
  "lambdas from 0.01 for 0.0005": { lambdaRange: { from: 0.01, to: 1 } },
  "both hidden layers 32 wide for 64": { hidden: [32, 32] },
  "batches of 64 for 256": { batch: 64 },
  "epsilon: from 1 to 0.05 for 0.3": { epsilon: { start: 1, end: 0.05, fraction: 0.5 } },
  "no random transitions first, for 2,000": { warmup: 1 },
  "the last weights for the selected ones": { selectEvery: 6000 },
  "averaging: no": { averaging: 0 },
  "decay: no": { decay: 0 },
  "replay of 2,000 for 20,000": { replaySize: 2000 },
  "replay of 100,000 for 20,000": { replaySize: 100_000 },
  nothing: NOTHING,
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

/** Every seed has a split of its own: half of validation is learned from, a quarter selects, a quarter judges. */
export async function ablate(
  runtime: Runtime,
  validation: ExitTable,
  costs: ExitCosts,
  seeds: readonly number[],
  options: Partial<DqnOptions>,
  say: (text: string) => void,
): Promise<VariantFigures[]> {
  const lambdas = lambdaGrid({ from: 0.01, to: 1 }, 9);
  const all: { name: string; returns: number[] }[] = [];
  for (const [name, changed] of Object.entries(VARIANTS)) {
    const returns: number[] = [];
    for (const seed of seeds) {
      const { learn, select, judge } = splitFeedback(validation.labels, seed);
      const [fit, selection, held] = [learn, select, judge].map((part) => tableSubset(validation, part));
      const { agent } = await trainAgent(runtime, fit!, selection!, costs, { ...options, ...changed, seed });
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
