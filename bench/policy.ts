/**
 * How good the agent is: `npm run bench:policy -- --model DIR [--model DIR ..] [--seeds N] [--short] [--json]`, on the validation images in
 * the models; and what each part of it is worth: `--ablation`. Nothing is trained but agents, and no test image is read.
 */
import { parseArgs } from "node:util";
import { UserError } from "../src/errors.ts";
import { loadModel } from "../src/model/model-folder.ts";
import { validationOf } from "../src/policy/learned-policy.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { ablate } from "./policy-ablation.ts";
import { ablationText, verdictText } from "./policy-text.ts";
import { measureDeciding } from "./policy-timing.ts";
import { LAMBDAS, type NetworkReturns, networkReturns, verdictOf } from "./policy-verdict.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", multiple: true },
    seeds: { type: "string" },
    steps: { type: "string" },
    /** one seed, two folds, three lambdas, no optimal stopping, 50 steps unless told otherwise: that it runs, not how good it is */
    short: { type: "boolean", default: false },
    ablation: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const models = flags.model ?? [];
if (models.length === 0)
  throw new UserError("bench:policy: --model DIR expected, found none; give a model with a policy");
const steps = flags.steps ?? (flags.short ? "50" : undefined);
const options = steps === undefined ? {} : { steps: Number(steps) };
const seeds = Array.from({ length: Number(flags.seeds ?? (flags.short ? 1 : 3)) }, (_, i) => i + 1);
const runtime = createNodeRuntime({ threads: 1 });

const loaded = [];
for (const name of models) {
  const { network, policy } = await loadModel(name);
  if (!policy) throw new UserError(`bench:policy: a policy in ${name} expected, found none; run 'earlyexit learn'`);
  loaded.push({ name, network, policy });
}

if (flags.ablation) {
  for (const { name, policy } of loaded) {
    const figures = await ablate(runtime, validationOf(policy), policy.costs, seeds, options, say);
    const text = flags.json ? JSON.stringify({ name, figures }, null, 2) : `${name}\n\n${ablationText(figures, seeds)}`;
    process.stdout.write(`${text}\n`);
  }
} else {
  const { network, policy } = loaded[0]!;
  const deciding = await measureDeciding(runtime, network, policy, flags.short ? 0.05 : 1);
  const networks: NetworkReturns[] = [];
  for (const { name, policy } of loaded) {
    const [table, costs] = [validationOf(policy), policy.costs];
    const lambdas = flags.short ? LAMBDAS.filter((_, l) => l % 4 === 0) : LAMBDAS;
    const folds = flags.short ? 2 : 5;
    const given = { name, table, costs, seeds, folds, lambdas, withOptimal: !flags.short, options };
    networks.push(await networkReturns(runtime, given));
    say(`${name}: judged`);
  }
  const figures = { ...verdictOf(networks), deciding };
  process.stdout.write(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${verdictText(figures, seeds)}\n`);
}
