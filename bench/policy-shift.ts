/**
 * How much the agent regains when pictures change: `npm run bench:policy-shift -- --model DIR --data PATH [--json] [--short]`.
 *
 * The validation images, darker, noisy or blurred, are the feedback; the test images, changed likewise, are what is scored: they
 * are in neither part that is learned from, selected on or judged on. Optimal stopping is solved on all changed validation images.
 *
 *     regained = (return of the adapted agent - return of the old one) / (return of optimal stopping - return of the old one)
 *
 * Returns are means over nine lambdas.
 */
import { parseArgs } from "node:util";
import { openDataset } from "../src/dataset/open.ts";
import { UserError } from "../src/errors.ts";
import { computeExitTable } from "../src/exits/exit-logits.ts";
import type { ExitTable } from "../src/exits/exit-table.ts";
import { lambdaGrid } from "../src/exits/lambda-grid.ts";
import { loadModel } from "../src/model/model-folder.ts";
import { imageReturns, learnOn } from "../src/policy/feedback.ts";
import type { LearnedPolicy } from "../src/policy/learned-policy.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { columnMeans, pairedBootstrap } from "../src/yardsticks/paired-bootstrap.ts";
import { SHIFTS, shifted } from "./policy-images.ts";
import { optimalReturns } from "./policy-optimal.ts";
import { markdownTable } from "./policy-text.ts";
import { average } from "./policy-verdict.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    seeds: { type: "string" },
    steps: { type: "string" },
    shift: { type: "string" },
    json: { type: "boolean", default: false },
    /** Whether it runs to the end, no figures: one seed, one shift, 100 steps. */
    short: { type: "boolean", default: false },
  },
});
const steps = flags.steps ?? (flags.short ? "100" : undefined);
const wanted = flags.shift ?? (flags.short ? "darker" : undefined);
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const runtime = createNodeRuntime();
const seeds = Array.from({ length: Number(flags.seeds ?? (flags.short ? 1 : 5)) }, (_, i) => i + 1);

function percents(share: number, interval: readonly [number, number]): string {
  return `${(100 * share).toFixed(0)}% (${interval.map((end) => (100 * end).toFixed(0)).join(" to ")})`;
}

async function measureShift(name: string, policy: LearnedPolicy, feedback: ExitTable, test: ExitTable) {
  const { agent, costs } = policy;
  const lambdas = lambdaGrid(agent.lambdaRange, 9);
  const old = await imageReturns(runtime, agent, test, costs, lambdas);
  const optimal = await optimalReturns(runtime, policy, feedback, test, lambdas);
  const [adapted, learned] = [new Float64Array(test.count), new Float64Array(test.count)];
  const perSeed: number[] = [];
  const taken: boolean[] = [];
  for (const seed of seeds) {
    const options = { seed, ...(steps ? { steps: Number(steps) } : {}) };
    const result = await learnOn(runtime, agent, feedback, costs, options);
    const ungated = await imageReturns(runtime, result.learned, test, costs, lambdas);
    const returns = result.judgement.better ? ungated : old;
    for (const [i, value] of returns.entries()) adapted[i]! += value / seeds.length;
    for (const [i, value] of ungated.entries()) learned[i]! += value / seeds.length;
    perSeed.push(average([...returns]));
    taken.push(result.judgement.better);
    const { before, after, interval, better } = result.judgement;
    const ends = interval.map((end) => end.toFixed(4)).join(" to ");
    say(
      `${name}, seed ${seed}: judged ${before.toFixed(4)} -> ${after.toFixed(4)} (${ends}): ${better ? "new" : "old"} one`,
    );
  }
  const values = new Float64Array(4 * test.count);
  for (let i = 0; i < test.count; i++) values.set([old[i]!, optimal[i]!, adapted[i]!, learned[i]!], 4 * i);
  const regainedOf = (means: Float64Array): number[] =>
    [means[2]!, means[3]!].map((one) => (one - means[0]!) / (means[1]! - means[0]!));
  const means = columnMeans(values, 4);
  const [interval, learnedInterval] = pairedBootstrap(values, 4, regainedOf, 1);
  const [regained, learnedRegained] = regainedOf(means);
  const mean = average(perSeed);
  const std = Math.sqrt(average(perSeed.map((one) => (one - mean) ** 2)));
  return {
    shift: name,
    old: means[0]!,
    adapted: { mean, std },
    optimal: means[1]!,
    newOnesTaken: taken.filter(Boolean).length,
    regained: regained!,
    interval: interval!,
    /** if the new one were taken in any case */
    learned: { mean: means[3]!, regained: learnedRegained!, interval: learnedInterval! },
  };
}

if (!flags.model)
  throw new UserError("bench:policy-shift: --model DIR expected, found none; give a model with a policy");
const { network, policy } = await loadModel(flags.model);
if (!policy) throw new UserError(`bench:policy-shift: a policy in ${flags.model} expected, found none; learn one`);
const { name: dataset } = network.provenance.dataset;
const data = await openDataset(flags.data ?? dataset, { seed: network.provenance.seed });
const rows = [];
for (const [name, shift] of Object.entries(SHIFTS)) {
  if (wanted && wanted !== name) continue;
  const [feedback, test] = await Promise.all(
    [data.validation!, data.test].map((split) =>
      computeExitTable(runtime, network, shifted(split, data.imageShape, shift)),
    ),
  );
  rows.push(await measureShift(name, policy, feedback!, test!));
}
const text = markdownTable(
  [
    "pictures",
    "old agent",
    "adapted",
    "optimal stopping",
    "regained (95%)",
    "new one taken",
    "regained if always taken",
  ],
  rows.map((row) => [
    row.shift,
    row.old.toFixed(4),
    `${row.adapted.mean.toFixed(4)} ± ${row.adapted.std.toFixed(4)}`,
    row.optimal.toFixed(4),
    percents(row.regained, row.interval),
    `${row.newOnesTaken} of ${seeds.length}`,
    percents(row.learned.regained, row.learned.interval),
  ]),
);
process.stdout.write(flags.json ? `${JSON.stringify({ seeds, shifts: rows }, null, 2)}\n` : `${text}\n`);
