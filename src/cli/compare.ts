import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { compareRuns, type RunOutcome } from "../evaluation/compare-runs.ts";
import { correctAnswers } from "../exits/environment.ts";
import { replaceFile } from "../files/writer.ts";
import { loadModel } from "../model/model-folder.ts";
import { compareText } from "../report/compare-text.ts";
import { evaluateInDetail } from "../story/node.ts";
import {
  askedOf,
  asTrained,
  dataOption,
  datasetOption,
  jsonOption,
  labelsOption,
  openData,
  runtimeOf,
  skipBrokenOption,
  sourceOf,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";
import { configOfRun, sourceOfRun } from "./report.ts";

export function compareCommand() {
  return new Command("compare")
    .description("Runs or models on the same test images: each beside the first, mean and deviation over all.")
    .argument("<dir...>", "run or model folders; the first is what the others are compared with")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .option("--figures <dir>", "also draw the runs over each other, as SVG, PDF and CSV, into this folder")
    .addOption(jsonOption())
    .action(async (folders, flags) => {
      const progress = createProgress();
      const text = await compareFolders(folders, { ...askedOf(flags), source: sourceOf(flags) }, progress);
      progress.stop();
      if (flags.figures !== undefined) await drawInto(flags.figures, text, progress);
      say(flags.json ? `${JSON.stringify(text.comparison, null, 2)}\n` : `${text.text}\n`);
    });
}

interface Asked {
  /** What the user says; else where the first run's images were. */
  readonly source: string | undefined;
  readonly labels?: string;
  readonly skipBroken?: boolean;
}

/** @throws {UserError} if a folder holds no model with a policy, or they were not tested on the same images */
export async function compareFolders(folders: readonly string[], asked: Asked, progress: Progress) {
  const outcomes: RunOutcome[] = [];
  let first: { readonly sha256: string; readonly costUnit: string } | null = null;
  for (const folder of folders) {
    const { outcome, sha256, costUnit } = await outcomeOf(folder, asked, progress);
    first ??= { sha256, costUnit };
    if (sha256 !== first.sha256)
      throw new UserError(
        `compare: the test images of ${folders[0]} expected (SHA-256 ${first.sha256.slice(0, 12)}...), found others in ${folder}; give runs on the same data`,
      );
    if (costUnit !== first.costUnit)
      throw new UserError(
        `compare: costs in ${first.costUnit} as in ${folders[0]} expected, found ${costUnit} in ${folder}; give runs with the same costs`,
      );
    outcomes.push(outcome);
  }
  const comparison = compareRuns(outcomes);
  const { costUnit } = first!;
  return { comparison, costUnit, text: compareText(comparison, costUnit) };
}

/** One plot: accuracy over cost, a line for each run. */
async function drawInto(
  folder: string,
  { comparison, costUnit }: Awaited<ReturnType<typeof compareFolders>>,
  progress: Progress,
): Promise<void> {
  const { curveFiles } = await import("../report/figures.ts");
  const runs = comparison.runs.map(({ name, curve, accuracy, cost }) => ({
    name,
    points: curve.points,
    chosen: { accuracy, costMacs: cost },
  }));
  const files = await curveFiles({ runs, costUnit });
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of files) await replaceFile(join(folder, name), bytes);
  progress.note(`wrote ${[...files.keys()].join(", ")} into ${folder}`);
}

async function outcomeOf(folder: string, { source: given, ...asked }: Asked, progress: Progress) {
  const model = await loadModel(folder);
  const { network, policy } = model;
  if (!policy)
    throw new UserError(
      `${folder}: a model with a policy expected, found a network alone; run 'earlyexit learn --model ${folder}' first`,
    );
  const { name } = network.provenance.dataset;
  const source = given ?? sourceOfRun(await configOfRun(folder), name);
  if (source === null)
    throw new UserError(`${folder}: the place of its images expected, found none; give it by --data or --dataset`);
  const data = await openData(source, progress, { ...asTrained(network), ...asked, testOnly: true });
  const { figures, details, answers, exits } = await evaluateInDetail({
    ...model,
    data,
    seed: network.provenance.seed,
    runtime: runtimeOf({ device: "cpu" }),
    onProgress: (done, total) => progress.counting("evaluate", done, total),
  });
  const correct = correctAnswers(answers); // [N, E]
  const { exitMacs, fullMacs } = policy.costs;
  const outcome: RunOutcome = {
    name: folder,
    seed: network.provenance.seed,
    lambda: figures.policy.lambda,
    right: Uint8Array.from(exits, (exit, i) => correct[i * exitMacs.length + exit]!),
    costs: Float64Array.from(exits, (exit) => exitMacs[exit]!),
    fullCost: fullMacs,
    curve: details.curves.find((one) => one.name === figures.policy.name) ?? details.curves[0]!,
  };
  return { outcome, sha256: data.test.sha256, costUnit: policy.costUnit ?? "MACs" };
}
