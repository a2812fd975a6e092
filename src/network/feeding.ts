/** How pictures become the input of somebody else's network: from what the user says, what lies beside the file, or what is usual. */
import { z } from "zod";
import type { Normalisation } from "../dataset/augmentation.ts";
import type { ImageShape } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { Prepared } from "../onnx/prepare.ts";
import type { Feeding } from "./imported-network.ts";
import type { Picture } from "./staged-network.ts";

/** Named ways to prepare pictures, red first: (x / 255 - mean) / std. */
const NORMALISATIONS: Readonly<Record<string, Normalisation>> = {
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  cifar: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  unit: { mean: [0, 0, 0], std: [1, 1, 1] },
};
/** Of a file: what comes out of it is far from the ends of float32. */
export const normalisationSchema = z.object({
  mean: z.array(z.number().min(-1e6).max(1e6)),
  std: z.array(z.number().min(1e-6).max(1e6)),
});
/** Bytes as they are. */
const BYTES: Normalisation = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };

export interface FeedingOptions {
  /** imagenet, cifar, unit, or MEAN/STD: numbers for x / 255 with commas between, in the order of the network's channels. */
  readonly normalise?: string;
  readonly channels?: "rgb" | "bgr";
  /** Where the input has its channels; default: where it has 1 or 3. */
  readonly layout?: "channelsFirst" | "channelsLast";
  /** What lies beside the file. */
  readonly beside?: Beside;
}

/** `preprocessor_config.json` (Hugging Face) and `config.json` (Hugging Face, timm), parsed. */
export interface Beside {
  readonly preprocessor?: unknown;
  readonly config?: unknown;
}

const channelList = z.array(z.number());
const preprocessorSchema = z.looseObject({
  do_normalize: z.boolean().optional(),
  do_rescale: z.boolean().optional(),
  rescale_factor: z.number().positive().optional(),
  rescale_offset: z.boolean().optional(),
  do_flip_channel_order: z.boolean().optional(),
  image_mean: channelList.optional(),
  image_std: channelList.optional(),
  size: z
    .union([z.number(), z.looseObject({ height: z.number().optional(), shortest_edge: z.number().optional() })])
    .optional(),
  crop_size: z.union([z.number(), z.looseObject({ height: z.number().optional() })]).optional(),
});
const configSchema = z.looseObject({
  id2label: z.record(z.string(), z.string()).optional(),
  label_names: z.array(z.string()).optional(),
  pretrained_cfg: z
    .looseObject({ mean: channelList.optional(), std: channelList.optional(), input_size: channelList.optional() })
    .optional(),
});

/** What files beside say, or nothing of what they do not. */
export function readBeside({ preprocessor, config }: Beside) {
  const ofPictures = preprocessorSchema.safeParse(preprocessor ?? {}).data;
  const { id2label, label_names, pretrained_cfg } = configSchema.safeParse(config ?? {}).data ?? {};
  const sideOf = (size: number | { height?: number | undefined; shortest_edge?: number | undefined } | undefined) =>
    typeof size === "number" ? size : (size?.height ?? size?.shortest_edge);
  const named = Object.entries(id2label ?? {}).sort(([a], [b]) => Number(a) - Number(b));
  return {
    side: sideOf(ofPictures?.crop_size) ?? sideOf(ofPictures?.size) ?? pretrained_cfg?.input_size?.at(-1),
    normalisation: ofPictures && preprocessor ? ofPreprocessor(ofPictures, pretrained_cfg) : plain(pretrained_cfg),
    channels: ofPictures?.do_flip_channel_order ? ("bgr" as const) : undefined,
    labels: named.length > 0 ? named.map(([, label]) => label) : label_names,
  };
}

type Lists = { readonly mean?: number[] | undefined; readonly std?: number[] | undefined };

function plain({ mean, std }: Lists = {}): Normalisation | undefined {
  return mean && std ? { mean, std } : undefined;
}

/**
 * A preprocessor gives ((x f - o) - mean) / std for bytes x: f is its factor, o its offset. As numbers for x / 255 these are
 * (o + mean) / (255 f) and std / (255 f).
 */
function ofPreprocessor(told: z.infer<typeof preprocessorSchema>, other: Lists | undefined): Normalisation | undefined {
  const isPlain = told.do_normalize === false;
  const known = plain({ mean: told.image_mean ?? other?.mean, std: told.image_std ?? other?.std });
  const scale = told.do_rescale === false ? 255 : 255 * (told.rescale_factor ?? 1 / 255);
  const offset = told.rescale_offset ? 1 : 0;
  if (!isPlain && !known) return undefined;
  const { mean, std } = isPlain ? NORMALISATIONS.unit! : known!;
  if (scale === 1 && offset === 0) return { mean, std };
  return { mean: mean.map((one) => (offset + one) / scale), std: std.map((one) => one / scale) };
}

/** @throws {UserError} if the main input takes no pictures, or an option does not fit */
export function feedingOf(
  { prepared, name }: { prepared: Prepared; name: string },
  options: FeedingOptions,
): { feeding: Feeding; picture: Picture; guessed: boolean } {
  const input = prepared.inputs.find((one) => one.name === prepared.main)!;
  const sizes = prepared.tensors.get(input.name)!.shape;
  const isLast = sizes.length === 4 && isColour(sizes[3]!) && !isColour(sizes[1]!);
  const layout = options.layout ?? (isLast ? "channelsLast" : "channelsFirst");
  const [, a, b, c] = sizes as [number, number, number, number];
  const shape: ImageShape = layout === "channelsLast" ? [c, a, b] : [a, b, c];
  if (sizes.length !== 4 || !isColour(shape[0]))
    throw new UserError(
      `${name}: an input for pictures, [batch, 3 or 1, height, width] or [batch, height, width, 3 or 1], expected, ` +
        `found ${input.name} [${input.dims.join(", ")}]; exits are attached to networks that take pictures`,
    );
  const isFloat = /float/.test(input.type);
  const beside = readBeside(options.beside ?? {});
  const channels = shape[0] === 1 ? "grey" : (options.channels ?? beside.channels ?? "rgb");
  const turned = channels === "bgr" ? inverted(beside.normalisation) : beside.normalisation;
  const known = options.normalise === undefined && isFloat ? turned : undefined; // bytes are given as they are
  const given = options.normalise === undefined ? undefined : parseNormalisation(options.normalise, shape[0], channels);
  const usual = isFloat ? NORMALISATIONS.imagenet! : BYTES;
  const normalisation = fitting(given ?? known ?? usual, shape[0], name);
  return {
    feeding: { layout, channels },
    picture: { shape, layout: "channelsFirst", channels: shape[0] === 1 ? "grey" : "rgb", normalisation },
    guessed: isFloat && !given && !known,
  };
}

/** From the order of the network's channels, which is blue first, to red first. */
function inverted(given: Normalisation | undefined): Normalisation | undefined {
  return given && { mean: [...given.mean].reverse(), std: [...given.std].reverse() };
}

function isColour(size: number): boolean {
  return size === 1 || size === 3;
}

function parseNormalisation(text: string, channels: number, order: Feeding["channels"]): Normalisation {
  const named = Object.hasOwn(NORMALISATIONS, text) ? NORMALISATIONS[text] : undefined;
  if (named) return named;
  const lists = text
    .split("/")
    .map((list) => list.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part))));
  const isList = (list: number[]): boolean =>
    (list.length === 1 || list.length === channels) && list.every(Number.isFinite);
  const [mean, std] = lists as [number[], number[]];
  if (lists.length !== 2 || !isList(mean) || !isList(std) || std.some((one) => one <= 0))
    throw new UserError(
      `--normalise: ${Object.keys(NORMALISATIONS).join(", ")} or MEAN/STD (1 or ${channels} numbers each, for x / 255) expected, ` +
        `found ${text}; for (x - 128) / 128 write 0.50196/0.50196`,
    );
  const inOrder = (list: number[]): number[] => {
    const all = list.length === 1 ? Array<number>(channels).fill(list[0]!) : list;
    return order === "bgr" ? [...all].reverse() : all;
  };
  return { mean: inOrder(mean), std: inOrder(std) };
}

/** Three numbers for a grey picture: their means. */
function fitting({ mean, std }: Normalisation, channels: number, name: string): Normalisation {
  if (mean.length === channels && std.length === channels) return { mean, std };
  const average = (list: readonly number[]): number[] => [list.reduce((sum, one) => sum + one, 0) / list.length];
  if (channels === 1) return { mean: average(mean), std: average(std) };
  throw new UserError(
    `${name}: ${channels} means and deviations expected, found ${mean.length} and ${std.length}; give --normalise MEAN/STD`,
  );
}
