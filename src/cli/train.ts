import { Command, Option } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { holds, loadModel, writeModel } from "../model/model-folder.ts";
import { checkRunFolder, freeFolder, openRunFolder, type RunFolder } from "../model/run-folder.ts";
import { blueprintNames } from "../network/blueprints.ts";
import { networkCost } from "../network/cost.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { trainNetwork } from "../story/node.ts";
import { loadTeacher } from "../story/teachers.ts";
import { namedRecipes } from "../training/choice.ts";
import { fallenApart } from "../training/early-end.ts";
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
import { say } from "./output.ts";
import { type Prepared, prepareTraining } from "./prepare.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type RunConfig, resolveRunConfig } from "./run-config.ts";
import { originOf } from "./run-origin.ts";

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
    .option(
      "--teacher <model>",
      "learn from its answers too, on the same view of each picture: a model folder, or a FILE.onnx with the names of its classes beside it",
    )
    .addOption(
      new Option(
        "--validation <share>",
        "share of the training pictures kept to learn when to stop (default 0.1, of few pictures more)",
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
  /** It was begun before. */
  readonly isResumed: boolean;
}

/** What `train` does, and `run` begins with (`isLearning`: a policy is to be learned afterwards). The network is saved into the run folder, which stays open: close it. */
export async function trainInFolder(
  flags: TrainingFlags,
  progress: Progress,
  signal: AbortSignal,
  isLearning = false,
): Promise<Trained> {
  const runtime = runtimeOf(flags);
  if (flags.out) await checkRunFolder(flags.out, flags.resume ?? false);
  const asked = await resolveRunConfig({ ...flags, source: sourceOf(flags) });
  const { config, data, from } = await prepareTraining(asked, { cores: flags.threads, isLearning, progress, signal });
  const base = `runs/${folderName(`${data.name}-${config.blueprint.name}`)}`;
  const path = flags.out ?? (flags.resume ? base : freeFolder(base));
  const origin = await originOf(process.argv.slice(2));
  const folder = await openRunFolder(path, config, flags.resume ?? false, origin);
  try {
    const network = await trainFrom({ folder, config, data, from, runtime }, flags, progress, signal);
    return { config, data, network, folder, runtime, isResumed: flags.resume ?? false };
  } catch (error) {
    await folder.giveUp();
    throw error;
  }
}

/** Names come from files: what is no letter, digit, dot or dash becomes a dash, so that a name leads nowhere. */
export function folderName(name: string): string {
  return name
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^[.-]+/, "")
    .slice(0, 100);
}

async function trainFrom(
  { folder, config, data, from, runtime }: Omit<Trained, "network" | "isResumed"> & Pick<Prepared, "from">,
  flags: TrainingFlags,
  progress: Progress,
  signal: AbortSignal,
): Promise<StagedNetwork> {
  const trained = flags.resume ? await trainedAlready(folder, config, data) : null;
  if (trained) {
    progress.note(`${folder.path} is trained to its end already: nothing is left to resume`);
    return trained;
  }
  const checkpoint = flags.resume ? await folder.loadCheckpoint() : null;
  const done = checkpoint?.step ?? 0;
  await folder.keepMetrics(({ kind, step }) => kind === "train" && Number(step) <= done);
  progress.note(
    `training ${config.blueprint.name} on ${runtime.device}${checkpoint ? ` from step ${checkpoint.step}` : ""}; run folder ${folder.path}; watch it: npx earlyexit ui --run ${folder.path}`,
  );
  const looks: { epoch: number; accuracy: number }[] = [];
  const network = await trainNetwork({
    data,
    blueprint: config.blueprint,
    recipe: config.recipe,
    seed: config.seed,
    from,
    ...(config.teacher ? { teacher: await loadTeacher(config.teacher, runtime) } : {}),
    runtime,
    signal,
    resumeFrom: checkpoint,
    saveCheckpoint: folder.saveCheckpoint,
    onProgress: (one) => {
      progress.training(one);
      const { epoch, validationAccuracy: exits } = one;
      if (exits) looks.push({ epoch, accuracy: exits.reduce((sum, right) => sum + right, 0) / exits.length });
      if (one.isEarlyEnd)
        progress.note(`ended early after epoch ${one.epoch.toFixed(1)}: validation has not got better for a while`);
      if (one.step % 10 === 0 || one.validationAccuracy || one.step === one.steps) folder.log(one);
    },
  });
  const warning = fallenApart(looks);
  if (warning) progress.note(warning);
  await writeModel(folder.files, { network, policy: null });
  return network;
}

/** The network of a run that is over, unless more epochs are wanted now. @throws {UserError} if the data are others than it was trained on */
async function trainedAlready(folder: RunFolder, { recipe }: RunConfig, data: Dataset): Promise<StagedNetwork | null> {
  if (!(await holds(folder.path, "model.json"))) return null;
  const { network } = await loadModel(folder.path);
  const { dataset, recipe: before } = network.provenance;
  if (before.epochs !== recipe.epochs) return null;
  const [expected, found] = [dataset.sha256.train, data.train?.sha256];
  if (found === expected) return network;
  throw new UserError(
    `resume: the images that ${folder.path} was trained on expected (SHA-256 ${expected?.slice(0, 12)}...), found others in ${data.name}; give the same data`,
  );
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
      say(`${JSON.stringify({ ...summary, version: VERSION }, null, 2)}\n`);
    });
}
