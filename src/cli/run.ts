import { join } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import type { EvaluationFigures } from "../evaluation/figures.ts";
import { loadModel, writeModel } from "../model/model-folder.ts";
import { DQN_DEFAULTS } from "../policy/dqn.ts";
import { evaluationFile, exampleExits, reportFile, reportPath } from "../report/run-report.ts";
import { GALLERY, suspectFiles } from "../report/suspect-files.ts";
import { reportText } from "../report/text.ts";
import { evaluateInDetail, learnPolicy } from "../story/node.ts";
import { compareFolders } from "./compare.ts";
import { abortOnInterrupt, RESUME_HINT } from "./interrupt.ts";
import { noteChoice } from "./learn.ts";
import { allOption, askedOf, jsonOption, number, sourceOf } from "./options.ts";
import { say } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type Trained, type TrainingFlags, trainInFolder, trainingOptions } from "./train.ts";

export function runCommand() {
  return trainingOptions(
    new Command("run").description(
      "The main job: images -> network -> policy -> figures. Without options, on the drawn set 'shapes'.",
    ),
  )
    .addOption(
      new Option(
        "--seeds <list>",
        "one run for each seed, then all side by side: 1,2,3; with --out X in X-seed1, X-seed2, ...",
      )
        .argParser(seedList)
        .conflicts(["seed", "resume"]),
    )
    .addOption(
      new Option(
        "--steps <n>",
        `gradient steps of the policy, of each of six agents (default ${DQN_DEFAULTS.steps})`,
      ).argParser(number("steps", 1, 1e7, true)),
    )
    .addOption(allOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      if (!flags.seeds) return void (await runOnce(flags, progress));
      const folders: string[] = [];
      for (const seed of flags.seeds) {
        progress.note(`seed ${seed} (run ${folders.length + 1} of ${flags.seeds.length})`);
        const out = flags.out === undefined ? {} : { out: `${flags.out}-seed${seed}` };
        folders.push(await runOnce({ ...flags, ...out, seed, isOneOfMany: true }, progress));
      }
      const source = sourceOf(flags);
      const { comparison, text } = await compareFolders(folders, { ...askedOf(flags), source }, progress);
      progress.stop();
      say(flags.json ? `${JSON.stringify(comparison, null, 2)}\n` : `${text}\n`);
    });
}

/** @throws {UserError} unless it is two or more different seeds */
function seedList(text: string): number[] {
  const seeds = text.split(",").map(number("seeds", 0, 2 ** 31 - 1, true));
  if (seeds.length >= 2 && new Set(seeds).size === seeds.length) return seeds;
  throw new UserError(`--seeds: two or more different whole numbers expected, found ${text}; write them as 1,2,3`);
}

interface RunFlags extends TrainingFlags {
  readonly steps?: number | undefined;
  readonly all?: true;
  readonly json?: true;
  /** Nothing but what all of them come to is printed. */
  readonly isOneOfMany?: boolean;
}

/** @returns the run folder */
async function runOnce(flags: RunFlags, progress: Progress): Promise<string> {
  const started = performance.now();
  const trained = await abortOnInterrupt(
    progress,
    (signal) => trainInFolder(flags, progress, signal, true),
    RESUME_HINT,
  );
  const { path } = trained.folder;
  try {
    const figures =
      (await figuresAlready(trained, progress)) ?? (await learnAndEvaluate(trained, progress, { steps: flags.steps }));
    progress.note(`done in ${((performance.now() - started) / 1000).toFixed(0)} s; model saved in ${path}`);
    if (flags.isOneOfMany) return path;
    const text = (): string => reportText(figures, { all: flags.all ?? false });
    const next = { folder: path, data: trained.data.name, source: trained.config.data };
    say(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${text()}\n${nextSteps(next)}`);
    return path;
  } finally {
    await trained.folder.close();
  }
}

/** The figures of a run that is over: what was saved is not made again. */
export async function figuresAlready(
  { folder, isResumed }: Trained,
  progress: Progress,
): Promise<EvaluationFigures | null> {
  const { policy, figures } = isResumed ? await loadModel(folder.path) : { policy: null };
  if (!policy || figures === undefined) return null;
  progress.note(`${folder.path} is learned and evaluated already: nothing is changed`);
  return figures as EvaluationFigures; // vouched for by the seal of model.json
}

type Interruptible = <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * What comes after training: the policy, its figures and the report, all in the run folder.
 *
 * @param options.steps of the policy; default: as many as usual
 * @param options.interruptible does what a signal may end; default: Ctrl-C and its like
 */
export async function learnAndEvaluate(
  { data, network, folder, runtime }: Trained,
  progress: Progress,
  {
    steps,
    interruptible = (work) => abortOnInterrupt(progress, work, RESUME_HINT),
  }: { readonly steps?: number | undefined; readonly interruptible?: Interruptible } = {},
) {
  progress.note("learning the exit policy");
  await folder.keepMetrics(({ kind }) => kind === "train"); // of a learning that was interrupted
  const policy = await interruptible((signal) =>
    learnPolicy({
      network,
      data,
      runtime,
      signal,
      options: { seed: network.provenance.seed, ...(steps ? { steps } : {}) },
      onProgress: (one) => {
        progress.learning(one);
        folder.log({ kind: "learn", ...one });
      },
    }),
  );
  noteChoice(policy, progress);
  const result = await evaluateInDetail({
    network,
    policy,
    data,
    runtime,
    seed: network.provenance.seed,
    onProgress: (done, total) => progress.counting("evaluate", done, total),
  });
  const { figures } = result;
  const model = { network, policy, figures };
  const examples = await exampleExits(model, result, data);
  const { evaluation, file } = evaluationFile(result);
  const { suspects, files } = await suspectFiles(data, policy, result.answers);
  const report = await reportFile(folder.path, { model, evaluation, examples, suspects, missing: [] });
  await writeModel(folder.files, model, new Map([file, report, ...files]));
  folder.log({ kind: "evaluate", ...figures });
  progress.note(`report: ${reportPath(folder.path)}`);
  if (suspects.length > 0)
    progress.note(`suspects: ${suspects.length} pictures whose labels may be wrong: ${join(folder.path, GALLERY)}`);
  return figures;
}

/** Commands that work as they are printed. */
function nextSteps({ folder, data, source }: NextFor): string {
  const given = source === "shapes" ? "" : source === "cifar10" ? " --dataset cifar10" : ` --data ${source}`;
  const lines = [
    [`npx earlyexit evaluate --model ${folder}${given} --all`, "everything that was measured"],
    [`npx earlyexit ui --model ${folder}`, "try pictures on it in a browser"],
    [`npx earlyexit export --model ${folder} --to onnx --out ${folder}-onnx`, "one file for any language"],
    ...(data === "shapes"
      ? [["npx earlyexit run --dataset cifar10", "the real thing: CIFAR-10 (or --data PATH)"]]
      : []),
  ];
  return `\nNext:\n${lines.map(([command, what]) => `  ${command}   # ${what}\n`).join("")}`;
}

interface NextFor {
  readonly folder: string;
  /** Name of the dataset. */
  readonly data: string;
  /** Where it was read from. */
  readonly source: string;
}
