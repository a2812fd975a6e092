import { Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { holds, loadModel, saveModel } from "../model/model-folder.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import { heldOut } from "../policy/learn.ts";
import type { QuantisedNetwork } from "../quantise/quantised-network.ts";
import { formatCount, formatLambda } from "../report/format.ts";
import { learnPolicy, quantise } from "../story/node.ts";
import { VERSION } from "../version.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import {
  asTrained,
  dataOption,
  datasetOption,
  jsonOption,
  nextCommand,
  number,
  openData,
  runtimeOf,
  seedOption,
  sourceFor,
  threadsOption,
} from "./options.ts";
import { createProgress } from "./progress.ts";
import { splitOfRun } from "./report.ts";

export function quantiseCommand() {
  return new Command("quantise")
    .description("The same model in 8 bits, after training: faster on processors, its policy learned anew.")
    .requiredOption("--model <dir>", "model or run folder, in floats")
    .requiredOption("--out <dir>", "model folder of the network in 8 bits, a new one")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(
      new Option(
        "--keep <n>",
        "convolutions that stay in float besides those over the picture, first those that lose most (default 0)",
      ).argParser(number("keep", 0, 1000, true)),
    )
    .addOption(
      new Option(
        "--max-loss <points>",
        "keep more of them in float until no exit answers otherwise for more than so many percent of the pictures looked at",
      ).argParser(number("max-loss", 0, 100)),
    )
    .addOption(
      new Option("--images <n>", "training pictures looked at, a multiple of 32 (default 256)").argParser(
        number("images", 64, 100_000, true),
      ),
    )
    .addOption(
      new Option(
        "--weight-bits <n>",
        "7, or 8, where sums may saturate on processors without VNNI instructions, which then answer otherwise (default 7)",
      ).choices(["7", "8"] as const),
    )
    .addOption(seedOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      if (await holds(flags.out, "model.json"))
        throw new UserError(`out: a new folder expected, found a model in ${flags.out}; give another --out`);
      const { network: float } = await loadModel(flags.model);
      const source = sourceFor(flags, float);
      const data = await openData(source, progress, { ...asTrained(float), ...(await splitOfRun(flags.model)) });
      heldOut(float, data); // what the policy needs is looked at before ranges are computed, which takes minutes
      const runtime = runtimeOf({ device: "cpu", threads: flags.threads });
      const { keep, maxLoss, images, seed = 1 } = flags;
      const network = await quantise({
        network: float,
        data,
        runtime,
        seed,
        ...(keep === undefined ? {} : { keep }),
        ...(maxLoss === undefined ? {} : { maxLoss }),
        ...(images === undefined ? {} : { images }),
        ...(flags.weightBits ? { weightBits: flags.weightBits === "8" ? 8 : 7 } : {}),
        onProgress: (done, total) => progress.counting("ranges", done, total),
      });
      progress.note(networkText(network, float));
      const policy = await abortOnInterrupt(progress, (signal) =>
        learnPolicy({ network, data, runtime, signal, options: { seed }, onProgress: progress.learning }),
      );
      await saveModel(flags.out, { network, policy });
      const lambda = formatLambda(policy.lambda);
      progress.note(`saved ${flags.out}; recommended lambda ${lambda}; ${nextCommand("evaluate", flags.out, source)}`);
      if (!flags.json) return;
      const { weightBits, kept } = network.rounding;
      const { floatProducts } = network;
      const summary = {
        folder: flags.out,
        bytes: bytesOf(network),
        weightBits,
        kept,
        floatProducts,
        lambda: policy.lambda,
      };
      process.stdout.write(`${JSON.stringify({ ...summary, version: VERSION }, null, 2)}\n`);
    });
}

/** What became of the network, in one line. */
function networkText(network: QuantisedNetwork, float: StagedNetwork): string {
  const { kept, points, weightBits } = network.rounding;
  const inFloat = kept.flatMap((list, k) => list.map((i) => `convolution ${i + 1} of stage ${k + 1}`));
  return (
    `${network.name} in 8 bits: weights of ${weightBits} bits, ranges of ${points.flat().length} maps, ` +
    `${formatCount(bytesOf(network))} bytes where the float network has ${formatCount(bytesOf(float))}; ` +
    `in float stay ${inFloat.join(", ") || "no convolutions that could be in 8 bits"}, and ${counted(network.floatProducts) || "nothing else"}`
  );
}

/** "Gemm (4 times)" */
function counted(operators: readonly string[]): string {
  const times = (name: string): number => operators.filter((one) => one === name).length;
  return [...new Set(operators)].map((name) => `${name} (${times(name)} times)`).join(", ");
}

function bytesOf({ stages }: StagedNetwork): number {
  return stages.reduce((sum, { bytes }) => sum + bytes, 0);
}
