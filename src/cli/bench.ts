import { readdirSync } from "node:fs";
import { Command, Option } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { oneFileGraph } from "../export/one-file.ts";
import { readKernelText } from "../files/reader.ts";
import { benchmark } from "../measure/benchmark.ts";
import type { Meters } from "../measure/stopwatch.ts";
import type { Model } from "../model/model.ts";
import { loadModel } from "../model/model-folder.ts";
import { findTwin } from "../model/twin-folder.ts";
import { untrainedNetwork } from "../network/blueprint-network.ts";
import { blueprintNames } from "../network/blueprints.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import { benchText } from "../report/bench-text.ts";
import {
  allOption,
  askedOf,
  asTrained,
  dataOption,
  datasetOption,
  deviceOption,
  jsonOption,
  labelsOption,
  number,
  openData,
  runtimeOf,
  seedOption,
  skipBrokenOption,
  sourceFor,
  threadsOption,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";
import { resolveBlueprint } from "./run-config.ts";

/** Where Linux keeps the processors' energy counters; readable by root alone on most machines. */
const POWERCAP = "/sys/class/powercap";

export function benchCommand() {
  return new Command("bench")
    .description("Time and energy of a trained model beside the full network, measured in turns on the test images.")
    .requiredOption("--model <dir>", "model or run folder, or cifar10 or shapes of the package")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .addOption(
      new Option("--images <n>", "test images, drawn with the seed")
        .default(2000)
        .argParser(number("images", 1, 1e7, true)),
    )
    .addOption(
      new Option("--batches <sizes>", "batch sizes, rising, with commas between, 1 first (default 1,32,256)").argParser(
        batchSizes,
      ),
    )
    .option("--against <blueprint>", `also time this network, whole: ${blueprintNames.join(", ")} or a JSON file`)
    .addOption(seedOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(allOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const model = await loadModel(flags.model);
      const { network } = model;
      const data = await openData(sourceFor(flags, network), progress, {
        ...asTrained(network),
        ...askedOf(flags),
        testOnly: true,
      });
      checkImages(network, data);
      const int8 = await twinOf(flags.model, network, progress);
      const runtime = runtimeOf(flags);
      const figures = await benchmark(runtime, model, data.test, nodeMeters(), {
        images: flags.images,
        seed: flags.seed ?? 1,
        ...(flags.batches ? { batches: flags.batches } : {}),
        ...(model.policy ? { oneFile: oneFileGraph(network, model.policy) } : {}),
        ...(int8 ? { int8 } : {}),
        ...(flags.against === undefined
          ? {}
          : { against: untrainedNetwork(await resolveBlueprint(flags.against), model.network.classes) }),
        onProgress: (done, total) => progress.counting("bench", done, total),
      });
      progress.stop();
      say(flags.json ? `${JSON.stringify(figures, null, 2)}\n` : `${benchText(figures, flags.all ?? false)}\n`);
    });
}

function batchSizes(text: string): number[] {
  const sizes = text.split(",").map(Number);
  const isRising = sizes.every((size, i) => Number.isInteger(size) && size > (sizes[i - 1] ?? 0) && size <= 4096);
  if (isRising && sizes[0] === 1) return sizes;
  throw new UserError(
    `--batches: rising whole numbers up to 4096 that begin with 1 expected, found ${text}; everything is compared with single images`,
  );
}

/** The model in 8 bits that lies beside a float one; null where there is none. */
async function twinOf(folder: string, network: StagedNetwork, progress: Progress): Promise<Model | null> {
  const beside = await findTwin(folder, network);
  if (beside === null) return null;
  const twin = await loadModel(beside);
  if (twin.network.precision !== "int8" || !twin.policy)
    throw new UserError(
      `${beside}: a model in 8 bits with a policy expected beside ${folder}, found ${twin.network.precision}${twin.policy ? "" : " without a policy"}; move it away`,
    );
  progress.note(`beside it: the same model in 8 bits, ${beside}`);
  return twin;
}

function checkImages(network: StagedNetwork, { classes, imageShape, name }: Dataset): void {
  const expected = `${pictureOf(network).shape.join("x")} images of ${network.classes.join(", ")}`;
  const found = `${imageShape.join("x")} images of ${classes.join(", ")}`;
  if (expected !== found)
    throw new UserError(`bench: ${expected} expected, found ${found} in ${name}; give the images of the model`);
}

/**
 * CPU time as the operating system counts it, and joules from the RAPL counters of all processor packages.
 *
 * @param powercap the folder with the counters
 */
export function nodeMeters(powercap = POWERCAP): Meters {
  const packages = energyCounters(powercap);
  return {
    cpuMs() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    joules: () => (packages.length === 0 ? null : packages.reduce((sum, joules) => sum + joules(), 0)),
  };
}

/** One function per package: the joules since it was made. None where a counter is missing or may not be read. */
function energyCounters(powercap: string): (() => number)[] {
  try {
    return readdirSync(powercap)
      .filter((name) => /^intel-rapl:\d+$/.test(name))
      .map((name) => `${powercap}/${name}`)
      .filter((folder) => readKernelText(`${folder}/name`).startsWith("package"))
      .map((folder) => {
        const range = Number(readKernelText(`${folder}/max_energy_range_uj`));
        const read = (): number => Number(readKernelText(`${folder}/energy_uj`));
        let [last, total] = [read(), 0];
        return () => {
          const now = read();
          total += now >= last ? now - last : now - last + range; // the counter starts again at 0
          last = now;
          return total / 1e6;
        };
      });
  } catch {
    return []; // no such folder, or not allowed: energy is then unknown, and printed as such
  }
}
