/** Options that several commands share, each declared once. */
import { Option } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import { type OpenOptions, openDataset } from "../dataset/open.ts";
import { UserError } from "../errors.ts";
import { modelFolder } from "../model/bundled.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Progress } from "./progress.ts";

/** A parser for an option's value. @throws {UserError} unless it is a number in from..to */
export function number(name: string, from: number, to: number, whole = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= from && value <= to) || (whole && !Number.isInteger(value)))
      throw new UserError(
        `--${name}: ${whole ? "a whole number" : "a number"} from ${from} to ${to} expected, found ${text}; correct it`,
      );
    return value;
  };
}

export const dataOption = () =>
  new Option(
    "--data <path>",
    "pictures: a folder, .zip, .tar or .tar.gz of <class>/.. or train/<class>/.. and test/<class>/..; Parquet, IDX or CIFAR (binary version)",
  );
export const sizeOption = () =>
  new Option("--size <s>", "scale pictures to SxS pixels (default 64)").argParser(number("size", 8, 1024, true));
export const labelsOption = () =>
  new Option(
    "--labels <file>",
    "a table (CSV) of the pictures' file names and classes, in place of folders that say the class",
  );
export const skipBrokenOption = () => new Option("--skip-broken", "leave out pictures that cannot be read");
export const datasetOption = () =>
  new Option("--dataset <name>", "shapes (built in, drawn) or cifar10 (downloaded once)")
    .choices(["shapes", "cifar10"] as const)
    .conflicts("data");
export const seedOption = () =>
  new Option("--seed <n>", "makes the run repeatable (default 1)").argParser(number("seed", 0, 2 ** 31 - 1, true));
export const deviceOption = () => new Option("--device <name>", "where to compute: cpu, webgpu or cuda").default("cpu");
export const threadsOption = () =>
  new Option("--threads <n>", "threads of each operator (default: all cores)").argParser(
    number("threads", 1, 1024, true),
  );
export const queueOption = () =>
  new Option("--queue <address>", "where jobs wait for 'earlyexit worker': redis://, rediss:// or postgres://").env(
    "EARLYEXIT_QUEUE",
  );
export const allOption = () => new Option("--all", "all figures, where else there is what fits one screen");
export const jsonOption = () => new Option("--json", "print one JSON object on stdout and nothing else");

/** The runtime that `--device` and `--threads` ask for. @throws {UserError} if the device is unknown */
export function runtimeOf({ device, threads }: { device: string; threads?: number | undefined }): Runtime {
  return createNodeRuntime({ device, ...(threads ? { threads } : {}) });
}

/** What `--labels` and `--skip-broken` ask for. */
export function askedOf(flags: {
  labels?: string | null | undefined;
  skipBroken?: boolean | undefined;
}): Pick<OpenOptions, "labels" | "skipBroken"> {
  return { skipBroken: flags.skipBroken ?? false, ...(flags.labels ? { labels: flags.labels } : {}) };
}

/** Opens what `--data` or `--dataset` names, with a progress line for a download. */
export async function openData(
  source: string,
  progress: Progress,
  options: Omit<OpenOptions, "onProgress" | "onPicture" | "onNote">,
): Promise<Dataset> {
  const name = source === "shapes" || source === "cifar10" ? source : `images in ${source}`;
  progress.note(`reading ${name}`);
  const data = await openDataset(source, {
    ...options,
    onProgress: ({ received, total }) => progress.download(received, total),
    onNote: progress.note,
    onPicture: (done, total) => progress.counting("decode", done, total),
  });
  const { train, validation, test } = data;
  const parts = [
    train && `${train.count} to train`,
    validation && `${validation.count} to validate`,
    `${test.count} to test`,
  ];
  if (data.leftOut) progress.note(`${data.leftOut.length} pictures that cannot be read are left out`);
  progress.note(`${data.name}: ${data.classes.length} classes; images: ${parts.filter(Boolean).join(", ")}`);
  return data;
}

/** A path given by `--data` wins over a name given by `--dataset`. A folder called like a dataset is written ./shapes. */
export function sourceOf(options: { data?: string | undefined; dataset?: string | undefined }): string | undefined {
  if (options.data === "shapes" || options.data === "cifar10") return `./${options.data}`;
  return options.data ?? options.dataset;
}

/**
 * Where a model's images are: what the user says, else the dataset that the network was trained on, if it can be had by name.
 *
 * @throws {UserError} if only the user can know
 */
export function sourceFor(
  options: { data?: string | undefined; dataset?: string | undefined },
  network: StagedNetwork,
): string {
  const given = sourceOf(options);
  if (given) return given;
  const { name } = network.provenance.dataset;
  if (name === "shapes") return name;
  throw new UserError(
    `data: the images of ${name}, which the network was trained on, expected, found no --data; give --data PATH or --dataset NAME`,
  );
}

/** A model folder that is written. @throws {UserError} if it is one of the package's */
export function ownFolder(given: string): string {
  if (modelFolder(given) === given) return given;
  throw new UserError(
    `model: a folder of your own expected, found ${given}, which comes with the package; copy ${modelFolder(given)} and give the copy`,
  );
}

/** How the images of a network are to be opened: scaled, split and labelled as for its training. */
export function asTrained(network: StagedNetwork): Pick<OpenOptions, "seed" | "size" | "classes"> {
  return { seed: network.provenance.seed, size: pictureOf(network).shape, classes: network.classes };
}

/** What to type next, with the images named again where the model folder does not say where they are. */
export function nextCommand(command: string, folder: string, source: string): string {
  const named = source === "cifar10" ? " --dataset cifar10" : ` --data ${source}`;
  return `next: earlyexit ${command} --model ${folder}${source === "shapes" ? "" : named}`;
}
