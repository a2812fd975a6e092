import { basename, extname, join } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import type { Dataset, Samples } from "../dataset/dataset.ts";
import type { OpenOptions } from "../dataset/open.ts";
import { surveyPictures } from "../dataset/survey.ts";
import { UserError } from "../errors.ts";
import { computeExitTable } from "../exits/exit-logits.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { costsOf, increasingCosts } from "../exits/table-file.ts";
import { readJsonFile } from "../files/reader.ts";
import { withFolder } from "../files/writer.ts";
import type { TablePolicy } from "../model/model.ts";
import { holds, loadModel, loadPolicy, writeModel, writePolicy } from "../model/model-folder.ts";
import { addOrigin, appendMetrics, keepMetrics } from "../model/run-folder.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import { DQN_DEFAULTS, type DqnOptions, type DqnProgress } from "../policy/dqn.ts";
import { type Judgement, LEARN_ON_DEFAULTS } from "../policy/feedback.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { formatCost, formatCount, formatLambda } from "../report/format.ts";
import { policyName } from "../report/names.ts";
import { evaluationFile, reportFile, reportPath } from "../report/run-report.ts";
import { reportText } from "../report/text.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import {
  type CostChoice,
  continueLearning,
  evaluateTableInDetail,
  learnFromTable,
  learnPolicy,
} from "../story/node.ts";
import { validationShare } from "../training/choice.ts";
import { VERSION } from "../version.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import {
  allOption,
  askedOf,
  asTrained,
  dataOption,
  datasetOption,
  jsonOption,
  labelsOption,
  nextCommand,
  number,
  openData,
  ownFolder,
  seedOption,
  skipBrokenOption,
  sourceFor,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";
import { splitOfRun } from "./report.ts";
import { originOf } from "./run-origin.ts";
import { readTableFile, readTestTable, testOf } from "./tables.ts";

const { from, to } = DQN_DEFAULTS.lambdaRange;
const TABLE = ".safetensors";

export function learnCommand() {
  return learnOptions().action(async (flags) => {
    checkTogether(flags);
    const progress = createProgress();
    if (flags.continue) await learnFurther(flags, progress);
    else if (flags.table) await learnTable(flags.table, flags, progress);
    else await learnNetwork(flags, progress);
  });
}

function learnOptions() {
  return new Command("learn")
    .description("Learn the exit policy for a trained network, or for an exit table that was made elsewhere.")
    .option("--model <dir>", "model or run folder; the policy is saved into it")
    .option("--table <file>", "in place of a model: safetensors with logits [N, E, K], labels [N] and costs [E]")
    .option("--test-table <file>", "images that nothing is learned from: figures are printed for them")
    .option("--out <dir>", "with --table: policy folder (default runs/<name of the table>)")
    .option(
      "--continue",
      "go on from the model's policy with --feedback; the old one stays unless the new one is better",
    )
    .option("--feedback <file>", "exit table (.safetensors) of new labelled images, or what --data takes")
    .option(
      "--cost <what>",
      "macs, latency (measured here, ms) or a JSON list, one rising number per exit (default macs)",
    )
    .option(
      "--cost-unit <name>",
      "what the numbers of a --cost file or a table count, for example mJ (default: those of a table MACs)",
    )
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .addOption(
      new Option(
        "--policy <name>",
        "who decides in the model: the agent (dqn), tuned thresholds (the best score, or one), or what validation says (auto)",
      )
        .choices(["auto", "dqn", "threshold", "threshold:confidence", "threshold:margin", "threshold:entropy"] as const)
        .default("auto" as const),
    )
    .addOption(
      new Option(
        "--lambda <x>",
        `learn for this price alone (default: one agent for all from ${from} to ${to})`,
      ).argParser(number("lambda", 1e-4, 10)),
    )
    .addOption(
      new Option(
        "--steps <n>",
        `gradient steps, of each of six agents (default ${DQN_DEFAULTS.steps}, with --continue ${LEARN_ON_DEFAULTS.steps})`,
      ).argParser(number("steps", 1, 1e7, true)),
    )
    .addOption(seedOption())
    .addOption(allOption())
    .addOption(jsonOption());
}

type LearnFlags = ReturnType<ReturnType<typeof learnOptions>["opts"]>;

/** @throws {UserError} if options were given that do not go together */
function checkTogether(flags: LearnFlags): void {
  const wrong = (expected: string, found: string, advice: string): UserError =>
    new UserError(`learn: ${expected} expected, found ${found}; ${advice}`);
  if (!flags.model && !flags.table) throw wrong("--model or --table", "neither", "say what to learn for");
  if (flags.model && flags.table) throw wrong("--model or --table", "both", "a table needs no model");
  if (flags.continue && flags.table)
    throw wrong("--continue with --model", "--table", "give the new table as --feedback");
  if (flags.continue !== undefined && !flags.feedback)
    throw wrong("--feedback with --continue", "none", "give the new images");
  if (flags.feedback && !flags.continue) throw wrong("--continue with --feedback", "none", "add --continue");
  if (flags.continue && flags.policy !== "auto")
    throw wrong("no --policy with --continue", flags.policy, "what learns on is the agent");
  if (flags.continue && (flags.cost || flags.lambda))
    throw wrong("no --cost or --lambda with --continue", "one", "both stay as the agent learned them");
  if (!flags.table && (flags.testTable || flags.out))
    throw wrong("--table with --test-table or --out", "none", "a model's policy is saved into the model");
  if (flags.table && (flags.data || flags.dataset))
    throw wrong("--table without --data or --dataset", "both", "a table has its images' logits already");
  if (flags.costUnit && !flags.table && !isFile(flags.cost))
    throw wrong("--cost-unit with a --cost file or a table", "neither", "macs and latency have units of their own");
  if (flags.table && flags.cost && !isFile(flags.cost))
    throw wrong("a file with one cost per exit", flags.cost, "a table has no network that could be counted or timed");
  if (flags.json && flags.table && !flags.testTable)
    throw wrong("--test-table with --table and --json", "none", "there is nothing to print without it");
}

function isFile(cost: string | undefined): cost is string {
  return cost !== undefined && cost !== "macs" && cost !== "latency";
}

// ---- For a trained network ---------------------------------------------------------------------------------------------

/** The parts as for its training; for somebody else's network that was calibrated with a whole folder (`attach --calibrate`), that. */
async function openHeldOut(
  network: StagedNetwork,
  source: string,
  progress: Progress,
  asked: Pick<OpenOptions, "labels" | "skipBroken" | "validationFraction">,
): Promise<Dataset> {
  const options = { ...asTrained(network), ...asked };
  const data = await openData(source, progress, options);
  const isKnown = ({ validation, test, train }: Dataset): boolean =>
    [validation, test, train].some((part) => part?.sha256 === network.provenance.dataset.sha256.validation);
  if (isKnown(data) || !network.original) return data;
  if (source !== "shapes" && source !== "cifar10") {
    const validationFraction = validationShare(await surveyPictures(source)); // as attach keeps them without --calibrate
    const again = await openData(source, progress, { ...options, validationFraction });
    if (isKnown(again)) return again;
  }
  return openData(source, progress, { ...options, whole: true });
}

async function learnNetwork(flags: LearnFlags, progress: Progress): Promise<void> {
  const folder = ownFolder(flags.model!);
  const { network } = await loadModel(folder);
  const cost = await costChoice(flags, network.stages.length);
  const source = sourceFor(flags, network);
  const data = await openHeldOut(network, source, progress, { ...askedOf(flags), ...(await splitOfRun(folder)) });
  const policy = await withFolder(folder, async (files) => {
    if (await holds(folder, "config.json")) await addOrigin(files, await originOf(process.argv.slice(2))); // a run
    await keepMetrics(folder, ({ kind }) => kind === "train"); // the curve is that of the policy that is learned now
    const learned = await abortOnInterrupt(progress, (signal) =>
      learnPolicy({
        network,
        data,
        cost,
        runtime: createNodeRuntime(),
        decider: flags.policy,
        signal,
        ...learning(flags, progress, folder),
      }),
    );
    await writeModel(files, { network, policy: learned });
    return learned;
  });
  noteCosts(policy, progress);
  const { costs, lambda, calibration, decider, choice } = policy;
  if (flags.json)
    say(`${JSON.stringify({ folder, decider, choice, lambda, costs, calibration, version: VERSION }, null, 2)}\n`);
  noteChoice(policy, progress);
  progress.note(
    `saved the policy into ${folder}; recommended lambda ${formatLambda(policy.lambda)}; ${nextCommand("evaluate", folder, source)}`,
  );
}

async function costChoice({ cost = "macs", costUnit = "units" }: LearnFlags, exits: number): Promise<CostChoice> {
  if (cost === "macs" || cost === "latency") return cost;
  return { unit: costUnit, costs: costsOf(await readCosts(cost), exits, cost).exitMacs };
}

async function readCosts(path: string): Promise<number[]> {
  return increasingCosts(await readJsonFile(path), path);
}

/** The options of the learning, and what is shown and logged of it. @param folder where `metrics.jsonl` is, if anywhere */
function learning(flags: LearnFlags, progress: Progress, folder?: string) {
  const options: Partial<DqnOptions> = {
    seed: flags.seed ?? 1,
    ...(flags.steps ? { steps: flags.steps } : {}),
    ...(flags.lambda ? { lambdaRange: { from: flags.lambda, to: flags.lambda } } : {}),
  };
  const onProgress = (one: DqnProgress): void => {
    progress.learning(one);
    if (folder) appendMetrics(folder, { kind: "learn", ...one });
  };
  return { options, onProgress };
}

function noteCosts({ costs, costUnit = "MACs" }: LearnedPolicy, progress: Progress): void {
  const shown = [...costs.exitMacs, costs.fullMacs].map((cost) => formatCost(cost, costUnit));
  progress.note(`costs of the exits: ${shown.slice(0, -1).join(", ")}; without early exit: ${shown.at(-1)}`);
}

/** Who decides and why, and what should be known of it. */
export function noteChoice({ decider = "dqn", choice }: LearnedPolicy, progress: Progress): void {
  if (!choice) return;
  progress.note(`decided by ${policyName(decider)}: ${choice.reason}`);
  for (const warning of choice.warnings) progress.note(`warning: ${warning}`);
}

// ---- For an exit table that was made elsewhere -------------------------------------------------------------------------

async function learnTable(path: string, flags: LearnFlags, progress: Progress): Promise<void> {
  const { table, costs: ownCosts, dataset } = await readTableFile(path);
  const list = flags.cost ? await readCosts(flags.cost) : ownCosts;
  if (!list)
    throw new UserError(`${path}: costs [${table.exits}] expected, found none; write them, or give --cost FILE`);
  const costs = costsOf(list, table.exits, flags.cost ?? path);
  const test = flags.testTable ? await readTestTable(flags.testTable, { table, costs: ownCosts }) : null;
  const folder = flags.out ?? join("runs", basename(path, extname(path)));
  await checkPolicyFolder(folder, dataset);
  const seed = flags.seed ?? 1;
  const runtime = createNodeRuntime();
  const policy = await withFolder(folder, async (files) => {
    const learned = await abortOnInterrupt(progress, (signal) =>
      learnFromTable({
        table,
        costs,
        costUnit: flags.costUnit ?? (flags.cost ? "units" : "MACs"),
        splitSeed: seed,
        decider: flags.policy,
        runtime,
        signal,
        ...learning(flags, progress, folder),
      }),
    );
    await writePolicy(files, { policy: learned, dataset, seed, version: VERSION });
    return learned;
  });
  noteCosts(policy, progress);
  noteChoice(policy, progress);
  progress.note(`saved the policy into ${folder}; recommended lambda ${formatLambda(policy.lambda)}`);
  if (!test) {
    progress.note("no --test-table: no figures");
    return;
  }
  const result = await evaluateTableInDetail({ ...testOf(policy, test, seed), runtime, seed });
  const { figures } = result;
  const missing = ["No example pictures: an exit table has none."];
  const { evaluation, file } = evaluationFile(result);
  const report = await reportFile(folder, { model: null, evaluation, examples: null, suspects: null, missing });
  const beside = new Map([file, report]);
  await withFolder(folder, (files) => writePolicy(files, { policy, dataset, seed, version: VERSION, figures }, beside));
  progress.note(`report: ${reportPath(folder)}`);
  say(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${reportText(figures, { all: flags.all ?? false })}\n`);
}

/** @throws {UserError} if the folder holds a model, or a policy that was learned from another table */
async function checkPolicyFolder(folder: string, { name, sha256 }: TablePolicy["dataset"]): Promise<void> {
  const expected = `learn: a new folder, or one learned from ${name}, expected for --out, found`;
  if (await holds(folder, "model.json")) throw new UserError(`${expected} the model in ${folder}; choose another one`);
  if (!(await holds(folder, "policy.json"))) return;
  const { dataset } = await loadPolicy(folder);
  if (dataset.sha256 !== sha256)
    throw new UserError(`${expected} ${folder}, learned from another ${dataset.name}; choose another one`);
}

// ---- Learning on -------------------------------------------------------------------------------------------------------

async function learnFurther(flags: LearnFlags, progress: Progress): Promise<void> {
  const folder = ownFolder(flags.model!);
  const owner = !(await holds(folder, "model.json")) && (await holds(folder, "policy.json")) ? "policy" : "model";
  const before = owner === "policy" ? await loadPolicy(folder) : await loadModel(folder);
  if (!before.policy)
    throw new UserError(
      `${folder}: a model with a policy expected, found a network alone; run 'earlyexit learn' without --continue first`,
    );
  const network = "network" in before ? before.network : null;
  const feedback = await readFeedback(flags.feedback!, network, before.policy, progress);
  const old = before.policy;
  const judgement = await withFolder(folder, async (files) => {
    const learned = await abortOnInterrupt(progress, (signal) =>
      continueLearning({ policy: old, feedback, signal, ...learning(flags, progress, network ? folder : undefined) }),
    );
    const { policy } = learned;
    if (!learned.judgement.better) return learned.judgement;
    // the figures on the test split were those of the old one
    if ("network" in before) await writeModel(files, { network: before.network, policy });
    else await writePolicy(files, { policy, dataset: before.dataset, seed: before.seed, version: VERSION });
    return learned.judgement;
  });
  say(flags.json ? `${JSON.stringify(judgement, null, 2)}\n` : `${judgementText(judgement, folder)}\n`);
}

/** The exit table in a file, or that of a dataset's images: its training part, or its test part where there is no other. */
async function readFeedback(
  source: string,
  network: StagedNetwork | null,
  { agent }: LearnedPolicy,
  progress: Progress,
): Promise<ExitTable> {
  if (source.endsWith(TABLE)) return (await readTableFile(source)).table;
  if (!network)
    throw new UserError(`feedback: a ${TABLE} file expected (there is no network here), found ${source}; give a table`);
  const data = await openData(source, progress, asTrained(network));
  if (data.classes.join() !== network.classes.join())
    throw new UserError(
      `feedback: images of the classes ${network.classes.join(", ")} expected, found ${data.classes.join(", ")}; give images of the same classes`,
    );
  const parts = data.train && data.validation ? [data.train, data.validation] : [data.test];
  const known = new Set(Object.values(network.provenance.dataset.sha256));
  if (parts.some(({ sha256 }) => known.has(sha256)))
    throw new UserError(
      `feedback: new images expected, found those of ${data.name} that the network was trained or is judged on; give others`,
    );
  const tables: ExitTable[] = [];
  for (const part of parts) tables.push(await tableOf(network, part, progress));
  return joined(tables, agent.exits, agent.classes);
}

function tableOf(network: StagedNetwork, samples: Samples, progress: Progress): Promise<ExitTable> {
  return computeExitTable(createNodeRuntime(), network, samples, (done, total) =>
    progress.counting("feedback", done, total),
  );
}

function joined(tables: readonly ExitTable[], exits: number, classes: number): ExitTable {
  const count = tables.reduce((sum, one) => sum + one.count, 0);
  const logits = new Float32Array(count * exits * classes);
  const labels = new Uint16Array(count);
  let row = 0;
  for (const one of tables) {
    logits.set(one.logits, row * exits * classes);
    labels.set(one.labels, row);
    row += one.count;
  }
  return { logits, labels, count, exits, classes };
}

function judgementText({ images, before, after, interval, better }: Judgement, folder: string): string {
  const [low, high] = interval.map((value) => `${value < 0 ? "" : "+"}${value.toFixed(4)}`);
  return [
    `images: ${formatCount(images.learn)} learned from, ${formatCount(images.select)} selected on, ${formatCount(images.judge)} to judge`,
    `mean return over all lambdas, on the images to judge: ${before.toFixed(4)} before, ${after.toFixed(4)} after`,
    `difference: 95% interval ${low} to ${high} (paired bootstrap over images)`,
    better
      ? `the new policy is better: saved into ${folder}`
      : `the new policy is not shown to be better: ${folder} keeps the old one`,
  ].join("\n");
}
