import { Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import type { EvaluationDetails } from "../evaluation/details.ts";
import { POLICY_NAMES } from "../evaluation/evaluate-table.ts";
import type { EvaluationFigures } from "../evaluation/figures.ts";
import { holds, loadModel, loadPolicy, saveModel } from "../model/model-folder.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { formatCost, formatLambda, formatPercent } from "../report/format.ts";
import { reportText } from "../report/text.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  type Bound,
  type EvaluateOptions,
  type EvaluateTableOptions,
  evaluate,
  evaluateInDetail,
  evaluateTable,
  evaluateTableInDetail,
  pointWithin,
} from "../story/node.ts";
import {
  allOption,
  askedOf,
  asTrained,
  dataOption,
  datasetOption,
  deviceOption,
  jsonOption,
  labelsOption,
  number,
  openData,
  ownFolder,
  runtimeOf,
  seedOption,
  skipBrokenOption,
  sourceFor,
  threadsOption,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";
import { splitOfRun } from "./report.ts";
import { readTestTable, testOf } from "./tables.ts";

export function evaluateCommand() {
  return new Command("evaluate")
    .description("Figures of a trained model on images that it has never seen (but for --split validation).")
    .requiredOption(
      "--model <dir>",
      "model or run folder, or cifar10 or shapes of the package, or with --table a policy folder",
    )
    .option("--table <file>", "in place of images: safetensors with their logits [N, E, K] and labels [N]")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .addOption(
      new Option("--split <name>", "which images").choices(["test", "validation"] as const).default("test" as const),
    )
    .option("--policy <name>", `who decides: ${POLICY_NAMES.join(", ")} or exit:K (default: what decides in the model)`)
    .addOption(
      new Option(
        "--lambda <x>",
        "price of the full network in units of one correct answer (default: the recommended one)",
      )
        .argParser(number("lambda", 0, 100))
        .conflicts(["budget", "budgetMacs", "budgetSavings", "minAccuracy"]),
    )
    .addOption(
      new Option(
        "--budget <c>",
        "spend at most so much a picture on average, in the unit of the policy's costs, judged on validation",
      )
        .argParser(number("budget", 0, 1e15))
        .conflicts(["budgetMacs", "budgetSavings", "minAccuracy"]),
    )
    .addOption(
      new Option("--budget-macs <m>", "spend at most so many million MACs a picture on average, judged on validation")
        .argParser(number("budget-macs", 0, 1e6))
        .conflicts(["budgetSavings", "minAccuracy"]),
    )
    .addOption(
      new Option("--budget-savings <p>", "save at least so many percent of the full cost, judged on validation")
        .argParser(number("budget-savings", -100, 100))
        .conflicts("minAccuracy"),
    )
    .addOption(
      new Option(
        "--min-accuracy <a>",
        "be right at least in so many percent, judged on validation, as cheaply as possible",
      ).argParser(number("min-accuracy", 1, 100)),
    )
    .addOption(seedOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(
      new Option(
        "--save",
        "store the figures in the model, for its model card; those of the agent on the test split",
      ).conflicts(["lambda", "budget", "budgetMacs", "budgetSavings", "minAccuracy"]),
    )
    .addOption(allOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const runtime = runtimeOf(flags);
      checkTogether(flags);
      if (flags.table) return evaluateTableFile(flags.table, flags, runtime, progress);
      const model = await loadModel(flags.model);
      const lambda = flags.lambda ?? lambdaMeeting(boundOf(flags), model.policy, progress);
      const testOnly = flags.split === "test";
      const data = await openData(sourceFor(flags, model.network), progress, {
        ...asTrained(model.network),
        ...(await splitOfRun(flags.model)),
        testOnly,
        ...askedOf(flags),
      });
      const options: EvaluateOptions = {
        ...model,
        data,
        split: flags.split,
        ...(flags.policy === undefined ? {} : { decider: flags.policy }),
        ...(lambda === undefined ? {} : { lambda }),
        seed: flags.seed ?? 1,
        runtime,
        onProgress: (done, total) => progress.counting("evaluate", done, total),
      };
      const detailed = flags.json ? await evaluateInDetail(options) : null;
      const figures = detailed?.figures ?? (await evaluate(options));
      progress.stop();
      if (flags.save) await saveModel(ownFolder(flags.model), { ...model, figures });
      print(figures, detailed?.details, flags);
    });
}

/** @param details with `json` alone */
function print(
  figures: EvaluationFigures,
  details: EvaluationDetails | undefined,
  { json, all }: { json?: true | undefined; all?: true },
): void {
  const whole = { ...figures, ...(details ? { curves: details.curves } : {}) };
  say(json ? `${JSON.stringify(whole, null, 2)}\n` : `${reportText(figures, { all: all ?? false })}\n`);
}

interface TableFlags extends BoundFlags {
  model: string;
  policy?: string | undefined;
  lambda?: number | undefined;
  seed?: number | undefined;
  json?: true | undefined;
  all?: true;
}

/** Somebody else's network, of which there is no more than an exit table. */
async function evaluateTableFile(path: string, flags: TableFlags, runtime: Runtime, progress: Progress): Promise<void> {
  const { policy, seed } = await policyIn(flags.model);
  const test = await readTestTable(path, { table: policy.agent, costs: null });
  const lambda = flags.lambda ?? lambdaMeeting(boundOf(flags), policy, progress);
  const options: EvaluateTableOptions = {
    ...testOf(policy, test, seed),
    ...(flags.policy === undefined ? {} : { decider: flags.policy }),
    ...(lambda === undefined ? {} : { lambda }),
    seed: flags.seed ?? 1,
    runtime,
  };
  const detailed = flags.json ? await evaluateTableInDetail(options) : null;
  print(detailed?.figures ?? (await evaluateTable(options)), detailed?.details, flags);
}

/** A policy with a network or without one, and the seed of its split into halves. */
async function policyIn(folder: string): Promise<{ policy: LearnedPolicy; seed: number }> {
  if (await holds(folder, "policy.json")) return loadPolicy(folder);
  const { network, policy } = await loadModel(folder);
  if (!policy)
    throw new UserError(
      `${folder}: a policy expected, found a network alone; run 'earlyexit learn --model ${folder}' first`,
    );
  return { policy, seed: network.provenance.seed };
}

/** @throws {UserError} if options were given that do not go together */
function checkTogether(
  flags: BoundFlags & {
    policy?: string | undefined;
    split: string;
    save?: true;
    table?: string;
    data?: string;
    dataset?: string;
  },
): void {
  const wrong = (expected: string, found: string, advice: string): UserError =>
    new UserError(`evaluate: ${expected} expected, found ${found}; ${advice}`);
  if (flags.save && (flags.policy !== undefined || flags.split !== "test" || flags.table))
    throw wrong(
      "--save without --policy, --split or --table",
      "one",
      "a model keeps the figures of what decides in it, on the test split",
    );
  if (boundOf(flags) && flags.policy !== undefined)
    throw wrong(
      "no --policy with a budget or an accuracy",
      flags.policy,
      "they are met by the calibration of what decides in the model; give --lambda",
    );
  if (flags.table && (flags.data || flags.dataset || flags.split !== "test"))
    throw wrong("--table without --data, --dataset or --split", "one", "a table has its images' logits already");
}

interface BoundFlags {
  budget?: number | undefined;
  budgetMacs?: number | undefined;
  budgetSavings?: number | undefined;
  minAccuracy?: number | undefined;
}

function boundOf({ budget, budgetMacs, budgetSavings, minAccuracy }: BoundFlags): Bound | null {
  if (budget !== undefined) return { kind: "cost", cost: budget };
  if (budgetMacs !== undefined) return { kind: "macs", macs: budgetMacs * 1e6 };
  if (budgetSavings !== undefined) return { kind: "savings", savings: budgetSavings / 100 };
  if (minAccuracy !== undefined) return { kind: "accuracy", accuracy: minAccuracy / 100 };
  return null;
}

/** The lambda that meets the bound, said aloud; undefined without a bound, or without a policy (which `evaluate` refuses). */
function lambdaMeeting(bound: Bound | null, policy: LearnedPolicy | null, progress: Progress): number | undefined {
  if (!bound || !policy) return undefined;
  const { lambda, accuracy, meanMacs, savings } = pointWithin(policy, bound);
  progress.note(
    `lambda ${formatLambda(lambda)} meets it on validation: accuracy ${formatPercent(accuracy)}, ${formatCost(meanMacs, policy.costUnit ?? "MACs")}, savings ${formatPercent(savings)}`,
  );
  return lambda;
}
