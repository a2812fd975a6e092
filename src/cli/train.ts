import { Command, Option } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import { saveModel } from "../model/model-folder.ts";
import { freeFolder, openRunFolder, type RunFolder } from "../model/run-folder.ts";
import { blueprintNames } from "../network/blueprints.ts";
import { networkCost } from "../network/cost.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { trainNetwork } from "../story/node.ts";
import { recipeNames } from "../training/recipe.ts";
import { VERSION } from "../version.ts";
import { abortOnInterrupt, RESUME_HINT } from "./interrupt.ts";
import {
  dataOption,
  datasetOption,
  deviceOption,
  jsonOption,
  nextCommand,
  number,
  openData,
  runtimeOf,
  seedOption,
  sizeOption,
  skipBrokenOption,
  sourceOf,
  threadsOption,
} from "./options.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type RunConfig, resolveRunConfig } from "./run-config.ts";

/** Options of `train`, which `run` has too. */
export function trainingOptions(command: Command) {
  return command
    .option("--config <file>", "JSON file with data, blueprint, recipe, epochs, seed; options win over it")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(sizeOption())
    .addOption(skipBrokenOption())
    .option("--blueprint <name>", `${blueprintNames.join(", ")} or a JSON file (default compact; tiny for shapes)`)
    .option("--recipe <name>", `${recipeNames.join(", ")} or a JSON file (default standard; quick for shapes)`)
    .addOption(
      new Option("--epochs <n>", "times that each image is seen (default: the recipe's)").argParser(
        number("epochs", 0.01, 10_000),
      ),
    )
    .addOption(seedOption())
    .option("--out <dir>", "run folder, a new one (default runs/<data>-<blueprint>, with a number if that exists)")
    .option("--resume", "go on from the folder's checkpoint, with the same options")
    .addOption(deviceOption())
    .addOption(threadsOption());
}

export type TrainingFlags = ReturnType<ReturnType<typeof trainingOptions>["opts"]>;

export interface Trained {
  readonly config: RunConfig;
  readonly data: Dataset;
  readonly network: StagedNetwork;
  readonly folder: RunFolder;
  readonly runtime: Runtime;
}

/** What `train` does, and `run` begins with. The network is saved into the run folder. */
export async function trainInFolder(flags: TrainingFlags, progress: Progress, signal: AbortSignal): Promise<Trained> {
  const config = await resolveRunConfig({ ...flags, source: sourceOf(flags) });
  const runtime = runtimeOf(flags);
  const data = await openData(config.data, progress, {
    seed: config.seed,
    ...(config.size ? { size: config.size } : {}),
    skipBroken: config.skipBroken,
  });
  const base = `runs/${data.name}-${config.blueprint.name}`;
  const path = flags.out ?? (flags.resume ? base : freeFolder(base));
  const folder = await openRunFolder(path, config, flags.resume ?? false);
  const checkpoint = flags.resume ? await folder.loadCheckpoint() : null;
  progress.note(
    `training ${config.blueprint.name} on ${runtime.device}${checkpoint ? ` from step ${checkpoint.step}` : ""}; run folder ${path}`,
  );
  const network = await trainNetwork({
    data,
    blueprint: config.blueprint,
    recipe: config.recipe,
    seed: config.seed,
    runtime,
    signal,
    resumeFrom: checkpoint,
    saveCheckpoint: folder.saveCheckpoint,
    onProgress: (one) => {
      progress.training(one);
      if (one.step % 10 === 0 || one.validationAccuracy || one.step === one.steps) folder.log(one);
    },
  });
  await saveModel(path, { network, policy: null });
  return { config, data, network, folder, runtime };
}

export function trainCommand() {
  return trainingOptions(new Command("train").description("Train the network only."))
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const work = (signal: AbortSignal) => trainInFolder(flags, progress, signal);
      const { config, folder, network } = await abortOnInterrupt(progress, work, RESUME_HINT);
      progress.note(`saved ${folder.path}; ${nextCommand("learn", folder.path, config.data)}`);
      if (!flags.json) return;
      const { exitMacs, fullMacs, parameters } = networkCost(network);
      const summary = { folder: folder.path, ...config, costMacs: { exits: exitMacs, full: fullMacs }, parameters };
      process.stdout.write(`${JSON.stringify({ ...summary, version: VERSION }, null, 2)}\n`);
    });
}
