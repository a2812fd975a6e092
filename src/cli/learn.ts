import { Command, Option } from "@commander-js/extra-typings";
import { loadModel, saveModel } from "../model/model-folder.ts";
import { appendMetrics } from "../model/run-folder.ts";
import { learnPolicy } from "../pipeline.ts";
import { DQN_DEFAULTS } from "../policy/dqn.ts";
import { formatLambda } from "../report/format.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import { dataOption, datasetOption, number, openData, seedOption, sourceFor } from "./options.ts";
import { createProgress } from "./progress.ts";

const { from, to } = DQN_DEFAULTS.lambdaRange;

export function learnCommand() {
  return new Command("learn")
    .description("Learn the exit policy for a trained network, from its validation split.")
    .requiredOption("--model <dir>", "model or run folder; the policy is saved into it")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(
      new Option(
        "--lambda <x>",
        `learn for this price alone (default: one agent for all from ${from} to ${to})`,
      ).argParser(number("lambda", 1e-4, 10)),
    )
    .addOption(
      new Option("--steps <n>", "gradient steps").default(DQN_DEFAULTS.steps).argParser(number("steps", 1, 1e7, true)),
    )
    .addOption(seedOption())
    .action(async (flags) => {
      const progress = createProgress();
      const model = await loadModel(flags.model);
      const { network } = model;
      const data = await openData(sourceFor(flags, network), network.provenance.seed, progress);
      const policy = await abortOnInterrupt(progress, (signal) =>
        learnPolicy({
          network,
          data,
          runtime: createNodeRuntime(),
          signal,
          options: {
            seed: flags.seed ?? 1,
            steps: flags.steps,
            ...(flags.lambda ? { lambdaRange: { from: flags.lambda, to: flags.lambda } } : {}),
          },
          onProgress: (one) => {
            progress.learning(one);
            appendMetrics(flags.model, { kind: "learn", ...one });
          },
        }),
      );
      await saveModel(flags.model, { network, policy });
      progress.note(
        `saved the policy into ${flags.model}; recommended lambda ${formatLambda(policy.lambda)}; next: earlyexit evaluate --model ${flags.model}`,
      );
    });
}
