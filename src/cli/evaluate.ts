import { Command, Option } from "@commander-js/extra-typings";
import { POLICY_NAMES } from "../evaluation/evaluate-table.ts";
import type { LearnedPolicy } from "../model/model.ts";
import { loadModel } from "../model/model-folder.ts";
import { type Bound, evaluate, pointWithin } from "../pipeline.ts";
import { formatCost, formatLambda, formatPercent } from "../report/format.ts";
import { reportText } from "../report/text.ts";
import {
  dataOption,
  datasetOption,
  deviceOption,
  jsonOption,
  number,
  openData,
  runtimeOf,
  seedOption,
  sourceFor,
  threadsOption,
} from "./options.ts";
import { createProgress, type Progress } from "./progress.ts";

export function evaluateCommand() {
  return new Command("evaluate")
    .description("Figures of a trained model on images that it has never seen.")
    .requiredOption("--model <dir>", "model or run folder")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(
      new Option("--split <name>", "which images").choices(["test", "validation"] as const).default("test" as const),
    )
    .option("--policy <name>", `who decides: ${POLICY_NAMES.join(", ")} or exit:K`, "dqn")
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
      ).argParser(number("min-accuracy", 0, 100)),
    )
    .addOption(seedOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const runtime = runtimeOf(flags);
      const model = await loadModel(flags.model);
      const lambda = flags.lambda ?? lambdaMeeting(boundOf(flags), model.policy, progress);
      const testOnly = flags.split === "test";
      const data = await openData(sourceFor(flags, model.network), model.network.provenance.seed, progress, testOnly);
      const figures = await evaluate({
        ...model,
        data,
        split: flags.split,
        decider: flags.policy,
        ...(lambda === undefined ? {} : { lambda }),
        seed: flags.seed ?? 1,
        runtime,
        onProgress: (done, total) => progress.counting("evaluate", done, total),
      });
      progress.stop();
      process.stdout.write(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${reportText(figures)}\n`);
    });
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
