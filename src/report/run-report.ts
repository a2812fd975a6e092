/** What a run folder tells: `evaluation.json` for the page, `report.html` for people. */
import { basename, join, resolve } from "node:path";
import type { Dataset } from "../dataset/dataset.ts";
import type { DetailedEvaluation } from "../evaluation/details.ts";
import type { DetailedResult } from "../evaluation/evaluate-table.ts";
import { readFileIfThere } from "../files/reader.ts";
import type { Model } from "../model/model.ts";
import { EVALUATION } from "../model/model-folder.ts";
import { networkCost } from "../network/cost.ts";
import { examplePictures } from "./examples.ts";
import { formatCount } from "./format.ts";
import { reportHtml } from "./html.ts";
import type { CutProbe, ExitExamples, ReportData } from "./report-data.ts";

const REPORT = "report.html";

/** What a report is made of, besides what lies in the folder as text. */
export interface ReportParts extends Pick<ReportData, "evaluation" | "examples" | "suspects" | "missing"> {
  readonly model: Model | null;
}

/** An evaluation and the file that keeps it. */
export function evaluationFile({ figures, details }: Pick<DetailedResult, "figures" | "details">): {
  readonly evaluation: DetailedEvaluation;
  readonly file: readonly [name: string, text: string];
} {
  const evaluation = { ...figures, ...details };
  return { evaluation, file: [EVALUATION, `${JSON.stringify(evaluation)}\n`] };
}

export function reportPath(folder: string): string {
  return join(folder, REPORT);
}

/** `report.html` for a folder, of what lies there and what is told besides. */
export async function reportFile(
  folder: string,
  { model, ...parts }: ReportParts,
): Promise<readonly [name: string, text: string]> {
  const html = await reportHtml({
    ...parts,
    name: basename(resolve(folder)),
    facts: model ? describeModel(model) : [],
    probes: model ? probesOf(model) : [],
    metrics: await metricsIn(folder),
  });
  return [REPORT, html];
}

/** `metrics.jsonl` as it is; nothing where there is none. */
export async function metricsIn(folder: string): Promise<string> {
  const metrics = await readFileIfThere(join(folder, "metrics.jsonl"));
  return metrics ? new TextDecoder().decode(metrics) : "";
}

/** The pictures of a split that was decided on. */
export function exampleExits(
  { network }: Model,
  { answers, exits }: Pick<DetailedResult, "answers" | "exits">,
  { test, imageShape }: Dataset,
): Promise<ExitExamples[]> {
  return examplePictures({ samples: test, imageShape, classes: network.classes, answers, exits });
}

/** What `attach` found at each cut; nothing where the network is ours. */
export function probesOf({ network: { provenance } }: Model): readonly CutProbe[] {
  const { attached } = provenance.recipe as { attached?: { probes?: readonly CutProbe[] } };
  return attached?.probes ?? [];
}

function describeModel({ network }: Model): [string, string][] {
  const { name, classes, provenance } = network;
  const { parameters } = networkCost(network);
  return [
    ["images", provenance.dataset.name],
    ["classes", formatCount(classes.length)],
    ["network", name],
    ["exits", formatCount(network.stages.length)],
    ["parameters", formatCount(parameters.at(-1)!)],
    ...(provenance.recipe.epochs === undefined
      ? []
      : [["epochs", String(provenance.recipe.epochs)] satisfies [string, string]]),
    ["seed", String(provenance.seed)],
    ["earlyexit", provenance.version],
  ];
}
