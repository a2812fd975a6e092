import { fileURLToPath } from "node:url";
import { Command, Option } from "@commander-js/extra-typings";
import { formatLambda, formatMacs, formatPercent } from "../report/format.ts";
import { AdaptiveClassifier } from "../story/classifier.ts";
import { jsonOption, number } from "./options.ts";

/** The model that comes with the package. */
const SHIPPED_MODEL = fileURLToPath(new URL("../../models/cifar10", import.meta.url));

export function classifyCommand() {
  return new Command("classify")
    .description("Say what pictures show, computing no more stages than each one needs.")
    .argument("<images...>", "JPEG, PNG or WebP files")
    .option("--model <dir>", "model or run folder (default: the CIFAR-10 model of the package)")
    .addOption(
      new Option(
        "--lambda <x>",
        "price of the full network in units of one correct answer (default: the recommended one)",
      ).argParser(number("lambda", 0, 100)),
    )
    .addOption(jsonOption())
    .action(async (images, flags) => {
      const dial = flags.lambda === undefined ? {} : { lambda: flags.lambda };
      const classifier = await AdaptiveClassifier.load(flags.model ?? SHIPPED_MODEL, { lazy: true, ...dial });
      const { network } = classifier;
      try {
        const results = [];
        for (const image of images) {
          const result = await classifier.classify(image);
          results.push({ image, ...result });
          if (!flags.json)
            process.stdout.write(
              `${image}: ${result.label} (${formatPercent(result.confidence)}), exit ${result.exit} of ${network.stages.length}, ` +
                `${formatMacs(result.costMacs)}, ${result.latencyMs.toFixed(1)} ms\n`,
            );
        }
        if (flags.json) process.stdout.write(`${JSON.stringify({ images: results }, null, 2)}\n`);
        else
          process.stdout.write(
            `The answer is always one of ${network.classes.join(", ")}, whatever a picture shows. Lambda ${formatLambda(classifier.lambda)}.\n`,
          );
      } finally {
        await classifier.close();
      }
    });
}
