import { Command, Option } from "@commander-js/extra-typings";
import { loadModel } from "../model/model-folder.ts";
import { evaluate, lambdaWithin, POLICY_NAMES } from "../pipeline.ts";
import { reportText } from "../report/text.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import {
  dataOption,
  datasetOption,
  deviceOption,
  jsonOption,
  number,
  openData,
  seedOption,
  sourceFor,
  threadsOption,
} from "./options.ts";
import { createProgress } from "./progress.ts";

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
        .conflicts("budgetMacs"),
    )
    .addOption(
      new Option(
        "--budget-macs <m>",
        "spend at most so many million MACs a picture on average, judged on validation",
      ).argParser(number("budget-macs", 0, 1e6)),
    )
    .addOption(seedOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const model = await loadModel(flags.model);
      const lambda =
        flags.lambda ??
        (flags.budgetMacs && model.policy ? lambdaWithin(model.policy, flags.budgetMacs * 1e6) : undefined);
      const testOnly = flags.split === "test";
      const data = await openData(sourceFor(flags, model.network), model.network.provenance.seed, progress, testOnly);
      const figures = await evaluate({
        ...model,
        data,
        split: flags.split,
        decider: flags.policy,
        ...(lambda === undefined ? {} : { lambda }),
        seed: flags.seed ?? 1,
        runtime: createNodeRuntime({ device: flags.device, ...(flags.threads ? { threads: flags.threads } : {}) }),
        onProgress: (done, total) => progress.counting("evaluate", done, total),
      });
      progress.stop();
      process.stdout.write(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${reportText(figures)}\n`);
    });
}
