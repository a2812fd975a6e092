import { Command, Option } from "@commander-js/extra-typings";
import { allPixels } from "../dataset/pixels.ts";
import { UserError } from "../errors.ts";
import { exportModel, exportPolicy } from "../export/export.ts";
import { holds, loadModel, loadPolicy } from "../model/model-folder.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { PreciseAnswers } from "../policy/unsure.ts";
import { formatCount, formatLambda, formatPercent } from "../report/format.ts";
import {
  askedOf,
  asTrained,
  dataOption,
  datasetOption,
  labelsOption,
  number,
  openData,
  skipBrokenOption,
  sourceOf,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";

export function exportCommand() {
  return new Command("export")
    .description("Write a model as ONNX files that any language can run, checked against the classifier.")
    .requiredOption(
      "--model <dir>",
      "model or run folder, or cifar10 or shapes of the package; with --to policy also a policy folder",
    )
    .addOption(
      new Option(
        "--to <kind>",
        "onnx: one file that exits by itself; stages: one file per stage, for batches; policy: what decides alone, for a network elsewhere",
      )
        .choices(["onnx", "stages", "policy"] as const)
        .makeOptionMandatory(),
    )
    .requiredOption("--out <dir>", "folder to write: a new one, or that of an earlier export")
    .addOption(
      new Option("--batch <n>", "pictures per run, fixed, for compilers that need it; only with stages").argParser(
        number("batch", 1, 4096, true),
      ),
    )
    .addOption(
      new Option("--lambda <x>", "the price that the files recommend (default: the model's recommended one)").argParser(
        number("lambda", 0, 100),
      ),
    )
    .addOption(
      new Option(
        "--opset <n>",
        "version of ONNX's operator set, 17 to 20 (default: the oldest that the network allows: 17 runs in ONNX Runtime 1.14 and later)",
      ).argParser(number("opset", 17, 20, true)),
    )
    .addOption(
      new Option(
        "--precise <p>",
        "the files also say where no class is to be named, so that so many percent of the others are right on validation (default: never)",
      ).argParser(number("precise", 1, 99.99)),
    )
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .action(async (flags) => {
      const progress = createProgress();
      if (flags.to === "policy") return writePolicyFile(flags, progress);
      const model = await loadModel(flags.model);
      const given = await picturesOf(flags, model.network, progress);
      const { manifest, files, check } = await exportModel({
        model,
        to: flags.to,
        out: flags.out,
        ...(flags.batch === undefined ? {} : { batch: flags.batch }),
        ...(flags.lambda === undefined ? {} : { lambda: flags.lambda }),
        ...(flags.opset === undefined ? {} : { opset: flags.opset }),
        ...(flags.precise === undefined ? {} : { precise: flags.precise / 100 }),
        ...(given ? { pictures: given } : {}),
        onProgress: (done, total) => progress.counting("check", done, total),
      });
      progress.stop();
      const { pictures, lambdas, exits, different, largestDifference } = check;
      progress.note(
        `checked on ${pictures} pictures at ${lambdas.length} lambdas (${exits.join(", ")} answers at exits 1 to ${exits.length}): ` +
          `${different} decisions differ from the classifier's, probabilities by at most ${largestDifference.toExponential(1)}`,
      );
      if (manifest.precise) progress.note(preciseLine(manifest.precise));
      for (const { file, bytes, sha256 } of manifest.files)
        say(`${file}: ${formatCount(bytes)} bytes, SHA-256 ${sha256}\n`);
      say(
        `${flags.out}: ${files.length} files; start with README.md. Recommended lambda ${formatLambda(manifest.lambda.recommended)}. ` +
          `They run in ONNX Runtime ${manifest.leastRuntime} and later (opset ${manifest.opset}).\n`,
      );
    });
}

function preciseLine({ least, answered, precision, lambda }: PreciseAnswers): string {
  return (
    `a class is named from a confidence of ${formatPercent(least, 2)} on: ${formatPercent(answered)} of the validation pictures are answered, ` +
    `${formatPercent(precision, 2)} of those rightly, at lambda ${formatLambda(lambda)}`
  );
}

interface PolicyFlags {
  readonly model: string;
  readonly out: string;
  readonly batch?: number | undefined;
  readonly lambda?: number | undefined;
  readonly precise?: number | undefined;
  readonly opset?: number | undefined;
  readonly data?: string | undefined;
  readonly dataset?: string | undefined;
}

/** @throws {UserError} if an option is for networks, or there is no policy */
async function writePolicyFile(flags: PolicyFlags, progress: Progress): Promise<void> {
  const { batch, precise, data, dataset } = flags;
  for (const [name, given] of Object.entries({ batch, precise, data, dataset }))
    if (given !== undefined)
      throw new UserError(`--${name}: --to onnx or stages expected with it, found policy; leave it out`);
  const isPolicy = !(await holds(flags.model, "model.json")) && (await holds(flags.model, "policy.json"));
  const { policy } = isPolicy ? await loadPolicy(flags.model) : await loadModel(flags.model);
  if (!policy)
    throw new UserError(
      `${flags.model}: a model with a policy expected, found a network alone; run 'earlyexit learn' first`,
    );
  const { manifest, files, check } = await exportPolicy({
    policy,
    out: flags.out,
    ...(flags.lambda === undefined ? {} : { lambda: flags.lambda }),
    ...(flags.opset === undefined ? {} : { opset: flags.opset }),
  });
  progress.note(
    `checked on ${formatCount(check.images)} validation images at lambda ${formatLambda(manifest.lambda.recommended)} ` +
      `(${check.exits.join(", ")} leave at exits 1 to ${check.exits.length}): ${check.different} decide otherwise than the policy`,
  );
  for (const { file, bytes, sha256 } of manifest.files)
    say(`${file}: ${formatCount(bytes)} bytes, SHA-256 ${sha256}\n`);
  say(
    `${flags.out}: ${files.length} files; start with README.md. They run in ONNX Runtime ${manifest.leastRuntime} and later ` +
      `(opset ${manifest.opset}).\n`,
  );
}

/** The test images, where the user names a dataset: the files are then compared with the classifier on all of them. */
async function picturesOf(
  flags: Parameters<typeof askedOf>[0] & { data?: string | undefined; dataset?: string | undefined },
  network: StagedNetwork,
  progress: Progress,
): Promise<Uint8Array | null> {
  const source = sourceOf(flags);
  if (!source) return null;
  const { name, imageShape, test } = await openData(source, progress, {
    ...asTrained(network),
    ...askedOf(flags),
    testOnly: true,
  });
  const [expected, found] = [pictureOf(network).shape.join("x"), imageShape.join("x")];
  if (expected !== found)
    throw new UserError(
      `export: ${expected} images expected, found ${found} in ${name}; give images of the model's size`,
    );
  return allPixels(test.pixels);
}
