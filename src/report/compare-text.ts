/** Runs side by side as plain text. */

import type { RunsComparison } from "../evaluation/compare-runs.ts";
import type { Difference } from "../evaluation/comparison.ts";
import type { Repeated } from "../evaluation/repeated.ts";
import { formatCost, formatLambda, formatPercent } from "./format.ts";
import { clip, formatTable } from "./table.ts";

const NAME_WIDTH = 32;

/** @param costUnit of the policies */
export function compareText({ samples, runs, accuracy, savings }: RunsComparison, costUnit: string): string {
  const rows = runs.map((run) => [
    clip(run.name, NAME_WIDTH),
    String(run.seed),
    formatLambda(run.lambda),
    formatPercent(run.accuracy, 2),
    run.minusFirst ? difference(run.minusFirst.accuracy) : "",
    formatCost(run.cost, costUnit),
    formatPercent(run.savings),
    run.minusFirst ? difference(run.minusFirst.savings) : "",
  ]);
  const columns = ["run", "seed", "lambda", "accuracy", "minus the first", "cost", "savings", "minus the first"];
  const table = formatTable(
    columns.map((title, i) => ({ title, align: i === 0 ? "left" : "right" })),
    rows,
  );
  const over = `over ${runs.length} runs: accuracy ${spread(accuracy)}, savings ${spread(savings)} (mean ± standard deviation)`;
  const about = `${samples} test images; differences in points with 95% intervals, paired: all runs on the same images`;
  return [about, table, ...(runs.length > 1 ? [over] : [])].join("\n\n");
}

/** In points of a percent. */
function difference({ value, interval: [low, high] }: Difference): string {
  const points = (share: number): string => `${share < 0 ? "" : "+"}${(100 * share).toFixed(2)}`;
  return `${points(value)} [${points(low)}, ${points(high)}]`;
}

function spread({ mean, std }: Repeated): string {
  return `${formatPercent(mean, 2)} ± ${((std ?? 0) * 100).toFixed(2)}`;
}
