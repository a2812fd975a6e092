import { Command, Option } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import { writeModel } from "../model/model-folder.ts";
import { checkRunFolder, freeFolder, openRunFolder, type RunFolder } from "../model/run-folder.ts";
import { blueprintNames } from "../network/blueprints.ts";
import { networkCost } from "../network/cost.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { trainNetwork } from "../story/node.ts";
import { namedRecipes } from "../training/choice.ts";
import { VERSION } from "../version.ts";
import { abortOnInterrupt, RESUME_HINT } from "./interrupt.ts";
import {
  dataOption,
  datasetOption,
  deviceOption,
  jsonOption,
  labelsOption,
  nextCommand,
  number,
  runtimeOf,
  seedOption,
  sizeOption,
  skipBrokenOption,
  sourceOf,
  threadsOption,
} from "./options.ts";
import { type Prepared, prepareTraining } from "./prepare.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type RunConfig, resolveRunConfig } from "./run-config.ts";

/** Options of `train`, which `run` has too. */
export function trainingOptions(command: Command) {
  return command
    .option("--config <file>", "JSON file with data, blueprint, recipe, epochs, seed; options win over it")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(sizeOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .option("--blueprint <name>", `${blueprintNames.join(", ")} or a JSON file (default compact; tiny for shapes)`)
    .option(
      "--recipe <name>",
      `${namedRecipes.join(", ")} or a JSON file (default photos for pictures, standard for CIFAR, quick for shapes)`,
    )
    .option(
      "--from <model>",
      "start from its weights: a model folder, cifar10 (comes along; default for pictures) or none",
    )
    .addOption(
      new Option(
        "--validation <share>",
        "share of the training pictures kept to learn when to stop (default 0.1)",
      ).argParser(number("validation", 0.01, 0.9)),
    )
    .option("--balance", "each class weighs alike while training, however many pictures it has")
    .addOption(
      new Option("--epochs <n>", "times that each image is seen (default: the recipe's)").argParser(
        number("epochs", 0.01, 10_000),
      ),
    )
    .addOption(seedOption())
    .option("--out <dir>", "run folder, a new one (default runs/<data>-<blueprint>, with a number if that exists)")
    .option(
      "--resume",
      "go on from the checkpoint in --out, with the options that are stored there; --epochs may be more",
    )
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

/** What `train` does, and `run` begins with. The network is saved into the run folder, which stays open: close it. */
export async function trainInFolder(flags: TrainingFlags, progress: Progress, signal: AbortSignal): Promise<Trained> {
  const runtime = runtimeOf(flags);
  if (flags.out) await checkRunFolder(flags.out, flags.resume ?? false);
  const asked = await resolveRunConfig({ ...flags, source: sourceOf(flags) });
  const { config, data, from } = await prepareTraining(asked, flags.threads, progress, signal);
  const base = `runs/${data.name}-${config.blueprint.name}`;
  const path = flags.out ?? (flags.resume ? base : freeFolder(base));
  const folder = await openRunFolder(path, config, flags.resume ?? false);
  try {
    const network = await trainFrom({ folder, config, data, from, runtime }, flags, progress, signal);
    return { config, data, network, folder, runtime };
  } catch (error) {
    await folder.giveUp();
    throw error;
  }
}

async function trainFrom(
  { folder, config, data, from, runtime }: Omit<Trained, "network"> & Pick<Prepared, "from">,
  flags: TrainingFlags,
  progress: Progress,
  signal: AbortSignal,
): Promise<StagedNetwork> {
  const checkpoint = flags.resume ? await folder.loadCheckpoint() : null;
  progress.note(
    `training ${config.blueprint.name} on ${runtime.device}${checkpoint ? ` from step ${checkpoint.step}` : ""}; run folder ${folder.path}`,
  );
  const network = await trainNetwork({
    data,
    blueprint: config.blueprint,
    recipe: config.recipe,
    seed: config.seed,
    ...(from ? { from } : {}),
    runtime,
    signal,
    resumeFrom: checkpoint,
    saveCheckpoint: folder.saveCheckpoint,
    onProgress: (one) => {
      progress.training(one);
      if (one.isEarlyEnd)
        progress.note(`ended early after epoch ${one.epoch.toFixed(1)}: validation has not got better for a while`);
      if (one.step % 10 === 0 || one.validationAccuracy || one.step === one.steps) folder.log(one);
    },
  });
  await writeModel(folder.files, { network, policy: null });
  return network;
}

export function trainCommand() {
  return trainingOptions(new Command("train").description("Train the network only."))
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const work = (signal: AbortSignal) => trainInFolder(flags, progress, signal);
      const { config, folder, network } = await abortOnInterrupt(progress, work, RESUME_HINT);
      await folder.close();
      progress.note(`saved ${folder.path}; ${nextCommand("learn", folder.path, config.data)}`);
      if (!flags.json) return;
      const { exitMacs, fullMacs, parameters } = networkCost(network);
      const summary = { folder: folder.path, ...config, costMacs: { exits: exitMacs, full: fullMacs }, parameters };
      process.stdout.write(`${JSON.stringify({ ...summary, version: VERSION }, null, 2)}\n`);
    });
}
