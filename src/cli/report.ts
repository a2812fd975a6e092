import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import type { OpenOptions } from "../dataset/open.ts";
import { UserError } from "../errors.ts";
import { readJsonFile } from "../files/reader.ts";
import { replaceFile } from "../files/writer.ts";
import type { Model } from "../model/model.ts";
import { EVALUATION, holds, loadModel } from "../model/model-folder.ts";
import {
  evaluationFile,
  exampleExits,
  metricsIn,
  probesOf,
  type ReportParts,
  reportFile,
  reportPath,
} from "../report/run-report.ts";
import { storedSuspects } from "../report/suspect-files.ts";
import { evaluateInDetail } from "../story/node.ts";
import {
  askedOf,
  asTrained,
  dataOption,
  datasetOption,
  labelsOption,
  openData,
  runtimeOf,
  skipBrokenOption,
  sourceOf,
} from "./options.ts";
import { createProgress, type Progress } from "./progress.ts";

export function reportCommand() {
  return new Command("report")
    .description("One HTML file with all plots and example pictures of a run; it opens from disk, offline.")
    .requiredOption("--run <dir>", "run or model folder; report.html is written into it")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .option("--figures <dir>", "also write every plot as SVG and PDF, and its numbers as CSV, into this folder")
    .action(async (flags) => {
      const progress = createProgress();
      const { run } = flags;
      const parts = await reportParts(run, sourceOf(flags), askedOf(flags), progress);
      const [name, html] = await reportFile(run, parts);
      await replaceFile(join(run, name), html);
      progress.stop();
      for (const one of parts.missing) progress.note(one);
      progress.note(`wrote ${reportPath(run)}`);
      if (flags.figures === undefined) return;
      const count = await writeFigures(flags.figures, run, parts);
      progress.note(`wrote ${count} plots into ${flags.figures}, each as SVG, PDF and CSV`);
    });
}

/** @returns how many plots there are */
async function writeFigures(out: string, run: string, { model, evaluation }: ReportParts): Promise<number> {
  const { figureFiles } = await import("../report/figures.ts");
  const files = await figureFiles({ evaluation, metrics: await metricsIn(run), probes: model ? probesOf(model) : [] });
  await mkdir(out, { recursive: true });
  for (const [name, bytes] of files) await replaceFile(join(out, name), bytes);
  return files.size / 3;
}

type Asked = ReturnType<typeof askedOf>;

/** Everything that can be had: what is missing is said, and left out. */
async function reportParts(
  run: string,
  given: string | undefined,
  asked: Asked,
  progress: Progress,
): Promise<ReportParts> {
  const model = (await holds(run, "model.json")) ? await loadModel(run) : null;
  if (!model) {
    if (await holds(run, "policy.json"))
      return {
        ...(await storedEvaluation(run, null)),
        missing: ["No example pictures: the policy was learned from an exit table, which has none."],
      };
    if (!existsSync(join(run, "metrics.jsonl")))
      throw new UserError(
        `report: a run folder with metrics.jsonl or model.json expected, found neither in ${run}; give one of 'earlyexit run'`,
      );
    return without(null, `No evaluation: there is no trained network in ${run} yet.`);
  }
  if (!model.policy)
    return without(model, `No evaluation: the network has no policy yet; run earlyexit learn --model ${run}.`);
  const data = await imagesOf(run, model, given, asked, progress);
  if (typeof data === "string") return { ...(await storedEvaluation(run, model)), missing: [data] };
  const { seed } = model.network.provenance;
  const result = await evaluateInDetail({
    ...model,
    data,
    seed,
    runtime: runtimeOf({ device: "cpu" }),
    onProgress: (done, total) => progress.counting("evaluate", done, total),
  });
  const { evaluation, file } = evaluationFile(result);
  await replaceFile(join(run, file[0]), file[1]);
  const examples = await exampleExits(model, result, data);
  return { model, evaluation, examples, suspects: await storedSuspects(run), missing: [] };
}

function without(model: Model | null, reason: string): ReportParts {
  return { model, evaluation: null, examples: null, suspects: null, missing: [reason] };
}

/** The test images that the model's figures are about, or why there are no pictures in the report. */
async function imagesOf(
  run: string,
  { network }: Model,
  given: string | undefined,
  asked: Asked,
  progress: Progress,
): Promise<Dataset | string> {
  const { dataset } = network.provenance;
  const advice = `give the images of ${dataset.name} by --data PATH or --dataset NAME`;
  const begun = await configOfRun(run);
  const source = given ?? sourceOfRun(begun, dataset.name);
  const how =
    given === undefined ? askedOf({ labels: begun.labels ?? undefined, skipBroken: begun.skipBroken }) : asked;
  if (source === null) return `No example pictures: the run does not say where its images are; ${advice}.`;
  let data: Dataset;
  try {
    data = await openData(source, progress, { ...asTrained(network), ...how, testOnly: true });
  } catch (error) {
    if (given !== undefined || !(error instanceof UserError)) throw error;
    return `No example pictures: ${error.message}; ${advice}.`;
  }
  if (data.test.sha256 === dataset.sha256.test) return data;
  const message = `the test images that the network was made with expected (SHA-256 ${dataset.sha256.test?.slice(0, 12)}...), found others (${data.test.sha256.slice(0, 12)}...) in ${source}`;
  if (given !== undefined) throw new UserError(`report: ${message}; ${advice}`);
  return `No example pictures: ${message}; ${advice}.`;
}

interface RunStart {
  readonly data?: unknown;
  readonly labels?: string;
  readonly skipBroken?: boolean;
  readonly validation?: number;
}

/** The share of the training pictures that a run kept for validation, which it chose by their number: else they would be split otherwise. */
export async function splitOfRun(run: string): Promise<Pick<OpenOptions, "validationFraction">> {
  const { validation } = await configOfRun(run);
  return validation === undefined ? {} : { validationFraction: validation };
}

export async function configOfRun(run: string): Promise<RunStart> {
  const path = join(run, "config.json");
  return ((existsSync(path) ? await readJsonFile(path) : null) ?? {}) as RunStart;
}

/** What the run was given, but for what would have to be downloaded. */
export function sourceOfRun({ data }: RunStart, name: string): string | null {
  if (name === "shapes") return name;
  return typeof data === "string" && data !== "cifar10" ? data : null;
}

/** What was found out when the images were there. */
async function storedEvaluation(run: string, model: Model | null): Promise<Omit<ReportParts, "missing">> {
  const stored = (await holds(run, EVALUATION)) ? await readJsonFile(join(run, EVALUATION)) : model?.figures;
  const evaluation = (stored ?? null) as ReportParts["evaluation"];
  return { model, evaluation, examples: null, suspects: await storedSuspects(run) };
}
