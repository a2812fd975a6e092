import { Command, Option } from "@commander-js/extra-typings";
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { surveyPictures } from "../dataset/survey.ts";
import { workerBatches } from "../dataset/worker-batches.ts";
import { UserError } from "../errors.ts";
import { computeExitTable } from "../exits/exit-logits.ts";
import { readJsonFile } from "../files/reader.ts";
import { holds, saveModel } from "../model/model-folder.ts";
import { checkpointsIn } from "../model/run-folder.ts";
import type { ImportedNetwork, OpenedNetwork } from "../network/imported-network.ts";
import { DQN_DEFAULTS } from "../policy/dqn.ts";
import { exitCosts } from "../policy/exit-costs.ts";
import { meanWidths } from "../policy/q-network.ts";
import { formatPercent } from "../report/format.ts";
import { evaluationFile, exampleExits, reportFile } from "../report/run-report.ts";
import { formatTable } from "../report/table.ts";
import { reportText } from "../report/text.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type AttachFindings, attachExits } from "../story/attach-exits.ts";
import { evaluateInDetail, learnFromTable } from "../story/node.ts";
import { openNetwork } from "../story/open-network.ts";
import { tunings } from "../story/tune-network.ts";
import { validationShare } from "../training/choice.ts";
import type { RecipeInput } from "../training/recipe.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import {
  deviceOption,
  jsonOption,
  number,
  openData,
  runtimeOf,
  seedOption,
  skipBrokenOption,
  threadsOption,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";

export function attachCommand() {
  return attachOptions().action(async (flags) => {
    const progress = createProgress();
    const started = performance.now();
    const runtime = runtimeOf(flags);
    checkTogether(flags);
    const tuning = await tuningOf(flags);
    if (await holds(flags.out, "model.json"))
      throw new UserError(`out: a new folder expected, found a model in ${flags.out}; give another --out`);
    const network = await opened(flags, runtime);
    const { data, calibrate } = await openedData(flags, network, progress);
    const { network: attached, findings } = await abortOnInterrupt(progress, (signal) =>
      attachExits({
        network,
        data,
        ...(calibrate ? { calibrate } : {}),
        ...(flags.exits ? { exits: flags.exits } : {}),
        ...(flags.at ? { at: flags.at } : {}),
        runtime,
        seed: flags.seed ?? 1,
        signal,
        onProgress: (what, done, total) => progress.counting(what, done, total),
        ...tuning,
        onTraining: progress.training,
      }),
    );
    progress.stop();
    for (const note of notesOf(findings)) progress.note(note);
    const figures = await learnAndEvaluate(attached, { data, calibrate }, flags, runtime, progress);
    progress.note(`done in ${((performance.now() - started) / 1000).toFixed(0)} s; model saved in ${flags.out}`);
    say(
      flags.json
        ? `${JSON.stringify({ ...figures, attached: findings }, null, 2)}\n`
        : `${probeTable(findings)}\n\n${reportText(figures)}\n`,
    );
  });
}

function attachOptions() {
  return new Command("attach")
    .description("Exits for a network that is there already (ONNX): its weights stay as they are.")
    .requiredOption("--network <file>", "an ONNX file that takes pictures")
    .requiredOption("--data <path>", "pictures to learn from: what 'run --data' takes")
    .requiredOption("--out <dir>", "model folder")
    .option("--calibrate <path>", "pictures that the network has never seen: the policy is learned from them")
    .addOption(
      new Option("--exits <n>", "so many, the last one included (default: as many as pay, at most 8)").argParser(
        number("exits", 2, 64, true),
      ),
    )
    .option(
      "--at <names>",
      "cut at these tensors, with commas between ('earlyexit network info FILE.onnx' lists them)",
      (text) => text.split(",").map((name) => name.trim()),
    )
    .addOption(
      new Option(
        "--input <s>",
        "height and width of its pictures, where the file leaves them open (default 224)",
      ).argParser(number("input", 1, 4096, true)),
    )
    .option(
      "--normalise <how>",
      "imagenet, cifar, unit or MEAN/STD, for pixels of 0 to 1 (default: what preprocessor_config.json or config.json beside the file says, else imagenet)",
    )
    .addOption(new Option("--channels <order>", "of its input (default rgb)").choices(["rgb", "bgr"] as const))
    .addOption(
      new Option("--layout <which>", "of its input: nchw or nhwc (default: where there are 1 or 3)").choices([
        "nchw",
        "nhwc",
      ] as const),
    )
    .option(
      "--labels <file>",
      "names of what it tells apart, one per line (default: what config.json beside the file says)",
    )
    .addOption(
      new Option(
        "--tune <what>",
        "what learns: the heads alone, the last stage of the network with them, or all of it with all exits",
      )
        .choices(tunings)
        .default("heads" as const),
    )
    .addOption(
      new Option("--epochs <n>", "of --tune: times that each picture is seen (default: by their number)").argParser(
        number("epochs", 0.01, 1e5),
      ),
    )
    .option("--recipe <file>", "of --tune: changes to its recipe, as JSON (see schemas/recipe.json)")
    .option("--resume", "of --tune: go on from the checkpoint in --out, with the options that it was begun with")
    .addOption(skipBrokenOption())
    .addOption(
      new Option(
        "--steps <n>",
        `gradient steps of the policy, of each of six agents (default ${DQN_DEFAULTS.steps})`,
      ).argParser(number("steps", 1, 1e7, true)),
    )
    .addOption(seedOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption());
}

type AttachFlags = ReturnType<ReturnType<typeof attachOptions>["opts"]>;

/** @throws {UserError} if the recipe is not JSON, or there is a checkpoint that nobody spoke of */
async function tuningOf({ tune, epochs, recipe, out, resume }: AttachFlags) {
  if (tune === "heads") return {};
  const changes = recipe === undefined ? {} : ((await readJsonFile(recipe)) as RecipeInput); // checked where it is used
  const { saveCheckpoint, loadCheckpoint } = checkpointsIn(out);
  const resumeFrom = await loadCheckpoint();
  if (resumeFrom && !resume)
    throw new UserError(
      `out: a new folder expected, found a tuning that was begun in ${out}; give another --out, or --resume`,
    );
  const training = { batches: workerBatches, saveCheckpoint, resumeFrom };
  return { tune, recipe: { ...changes, ...(epochs ? { epochs } : {}) }, training };
}

function checkTogether({ exits, at, tune, epochs, recipe, resume }: AttachFlags): void {
  if (tune === "heads" && (epochs !== undefined || recipe !== undefined || resume))
    throw new UserError(
      "attach: --epochs, --recipe and --resume with --tune last or all expected, found --tune heads; say what is to be tuned",
    );
  if (exits !== undefined && at !== undefined)
    throw new UserError(`attach: --exits or --at expected, found both; the names of --at are the exits`);
}

function opened(flags: AttachFlags, runtime: Runtime): Promise<OpenedNetwork> {
  const { input, normalise, channels, layout, labels } = flags;
  return openNetwork(flags.network, {
    runtime,
    ...(input ? { input } : {}),
    ...(normalise ? { normalise } : {}),
    ...(channels ? { channels } : {}),
    ...(layout ? { layout: layout === "nchw" ? "channelsFirst" : "channelsLast" } : {}),
    ...(labels ? { labels } : {}),
  });
}

/** Pictures of the network's size; those to calibrate with are a test part or, where there is none, all pictures that do not validate. */
async function openedData(
  flags: AttachFlags,
  { picture }: OpenedNetwork,
  progress: Progress,
): Promise<{ data: Dataset; calibrate: Samples | undefined }> {
  const options = { seed: flags.seed ?? 1, size: picture.shape, skipBroken: flags.skipBroken ?? false };
  if (!flags.calibrate) {
    const validationFraction = validationShare(await surveyPictures(flags.data)); // the policy is learned from these
    return { data: await openData(flags.data, progress, { ...options, validationFraction }), calibrate: undefined };
  }
  const data = await openData(flags.data, progress, options);
  const others = await openData(flags.calibrate, progress, { ...options, classes: data.classes, whole: true });
  if (others.classes.join() !== data.classes.join())
    throw new UserError(
      `calibrate: pictures of the classes ${data.classes.join(", ")} expected, found ${others.classes.join(", ")}; give pictures of the same classes`,
    );
  if (others.test.sha256 === data.test.sha256)
    throw new UserError(
      "calibrate: other pictures than those that are judged on expected, found the same; give a part of its own",
    );
  return { data, calibrate: others.test };
}

async function learnAndEvaluate(
  network: ImportedNetwork,
  { data, calibrate }: { data: Dataset; calibrate: Samples | undefined },
  { out, steps, seed = 1 }: AttachFlags,
  runtime: Runtime,
  progress: Progress,
) {
  progress.note("learning the exit policy");
  const { hidden, dueling } = { hidden: meanWidths(DQN_DEFAULTS), dueling: DQN_DEFAULTS.dueling };
  const table = await computeExitTable(runtime, network, calibrate ?? data.validation!);
  const policy = await abortOnInterrupt(progress, (signal) =>
    learnFromTable({
      table,
      costs: exitCosts(network, { hidden, dueling }),
      costUnit: "MACs",
      splitSeed: seed,
      runtime,
      signal,
      options: { seed, ...(steps ? { steps } : {}) },
      onProgress: (one) => progress.learning(one),
    }),
  );
  const result = await evaluateInDetail({
    network,
    policy,
    data,
    runtime,
    seed,
    onProgress: (done, total) => progress.counting("evaluate", done, total),
  });
  progress.stop();
  const model = { network, policy, figures: result.figures };
  const { evaluation, file } = evaluationFile(result);
  const report = await reportFile(out, {
    model,
    evaluation,
    examples: await exampleExits(model, result, data),
    suspects: null,
    missing: ["No curves of a training: the network came trained."],
  });
  await saveModel(out, model, new Map([file, report]));
  return result.figures;
}

function notesOf({ notes, calibrated, lastExit, ownAccuracy, headAccuracy }: AttachFindings): string[] {
  const own = ownAccuracy === null ? "" : `, its own answer ${formatPercent(ownAccuracy, 2)}`;
  return [
    ...notes,
    `last exit: ${lastExit} (a new head reaches ${formatPercent(headAccuracy, 2)}${own})`,
    ...(calibrated
      ? []
      : [
          "no --calibrate: the policy is learned from pictures that the network may have been trained on; its confidence may be inflated",
        ]),
  ];
}

/** Accuracy of a probe per cost, and where exits were put. */
function probeTable({ probes }: AttachFindings): string {
  const columns = [
    { title: "cut", align: "left" as const },
    { title: "share of the MACs" },
    { title: "probe" },
    { title: "exit", align: "left" as const },
  ];
  return formatTable(
    columns,
    probes.map(({ cut, share, accuracy, chosen }) => [
      cut,
      formatPercent(share),
      formatPercent(accuracy),
      chosen ? "yes" : "",
    ]),
  );
}
