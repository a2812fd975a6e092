/**
 * How good the agent is: `npm run bench:policy -- --model DIR --data PATH [--json] [--ablation]`.
 * The agent beside agents of one lambda, optimal stopping, the oracle, tuned thresholds, patience and the best fixed exit, at
 * nine prices; what it costs to learn and to decide; and whether what is claimed of it holds.
 */
import { parseArgs } from "node:util";
import { openDataset } from "../src/dataset/open.ts";
import { halves } from "../src/dataset/split.ts";
import { UserError } from "../src/errors.ts";
import { computeExitTable } from "../src/exits/exit-logits.ts";
import { tableSubset } from "../src/exits/exit-table.ts";
import { loadModel } from "../src/model/model-folder.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { ablate } from "./policy-ablation.ts";
import { compare } from "./policy-returns.ts";
import { ablationText, comparisonText } from "./policy-text.ts";
import { measureDeciding } from "./policy-timing.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    seeds: { type: "string", default: "5" },
    steps: { type: "string" },
    "one-lambda-steps": { type: "string" },
    ablation: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const steps = (text: string | undefined) => (text === undefined ? {} : { steps: Number(text) });

if (!flags.model) throw new UserError("bench:policy: --model DIR expected, found none; give a model with a policy");
const { network, policy } = await loadModel(flags.model);
if (!policy)
  throw new UserError(`bench:policy: a policy in ${flags.model} expected, found none; run 'earlyexit learn'`);
const { validation, costs } = policy;
const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);
const runtime = createNodeRuntime();

if (flags.ablation) {
  const figures = await ablate(runtime, validation, costs, seeds, steps(flags.steps), say);
  process.stdout.write(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${ablationText(figures, seeds)}\n`);
} else {
  const source = flags.data ?? network.provenance.dataset.name;
  const { test } = await openDataset(source, { seed: network.provenance.seed, testOnly: true });
  const { fit, selection } = halves(validation.labels, network.provenance.seed);
  const tables = {
    fit: tableSubset(validation, fit),
    selection: tableSubset(validation, selection),
    test: await computeExitTable(runtime, network, test),
    costs,
  };
  const decideMicros = await measureDeciding(runtime, network, policy);
  const micros = ({ one, batch256 }: typeof decideMicros.alone) =>
    `${one.toFixed(1)} us, ${batch256.toFixed(2)} us an image at batch 256`;
  say(`deciding: ${micros(decideMicros)}; by itself: ${micros(decideMicros.alone)}`);
  const oneLambda = steps(flags["one-lambda-steps"]);
  const figures = { ...(await compare(runtime, tables, seeds, steps(flags.steps), oneLambda, say)), decideMicros };
  process.stdout.write(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${comparisonText(figures)}\n`);
}
