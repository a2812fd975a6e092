import { z } from "zod";
import { UserError } from "../errors.ts";

type Activation = "relu" | "gelu" | "silu";
type Stride = 1 | 2;

/** Layers take and give [B, C, H, W], or [B, features] after a global pool. */
export type Layer =
  | ConvLayer
  | WhiteningLayer
  | DepthwiseConvLayer
  | LinearLayer
  | PlainLayer
  | PoolLayer
  | DropoutLayer
  | ResidualLayer<Layer>
  | ParallelLayer<Layer>;

export interface ConvLayer {
  type: "conv";
  /** Of the result. */
  channels: number;
  /** Side of the kernel in pixels, 1 or 3; the border is padded with zeros. Default: 3. */
  kernel?: 1 | 3 | undefined;
  /** 2 halves height and width. Default: 1. */
  stride?: Stride | undefined;
  /** Parts of the channels that see only their own inputs. Default: 1. */
  groups?: number | undefined;
  /** Whether a number is added per channel. Default: false. */
  bias?: boolean | undefined;
}

/**
 * Only as the very first layer: a 3x3 convolution whose filters are not trained but are the leading principal components of the
 * training images' patches, scaled to variance 1, each with both signs; only its bias is trained. See `whiteningFilters`.
 */
export interface WhiteningLayer {
  type: "whitening";
  /** Of the result; an even number. */
  channels: number;
  /** 2 halves height and width. Default: 1. */
  stride?: Stride | undefined;
}

/** One 3x3 kernel per channel. */
export interface DepthwiseConvLayer {
  type: "depthwiseConv";
  /** 2 halves height and width. Default: 1. */
  stride?: Stride | undefined;
  /** Whether a number is added per channel. Default: false. */
  bias?: boolean | undefined;
}

export interface LinearLayer {
  type: "linear";
  /** Of the result; "classes" is one per class. */
  features: number | "classes";
  /** Whether a number is added per feature. Default: true. */
  bias?: boolean | undefined;
}

/** A layer without a choice. */
export interface PlainLayer {
  type: "batchNorm" | Activation | "globalAveragePool" | "globalMaxPool" | "identity";
}

export interface PoolLayer {
  type: "maxPool" | "averagePool";
  /** Side of the square and its stride, in pixels. Default: 2. */
  size?: number | undefined;
}

/** In training alone. */
export interface DropoutLayer {
  type: "dropout";
  /** Share that is set to 0, 0..1. */
  rate: number;
  /** What is dropped as one. Default: "values". */
  whole?: "values" | "channels" | undefined;
}

/** y = layers(x) + shortcut(x). */
export interface ResidualLayer<Of> {
  type: "residual";
  /** One after the other. */
  layers: Of[];
  /** What is added to their result. Default: x itself. */
  shortcut?: Of[] | undefined;
}

/** Every branch sees x; their results are put side by side along the channels. */
export interface ParallelLayer<Of> {
  type: "parallel";
  /** Each a list of layers, one after the other. */
  branches: Of[][];
}

/** Short for depthwise 3x3, batch norm, activation, 1x1 to `channels`, batch norm. */
export interface SeparableLayer {
  type: "separable";
  /** Of the result. */
  channels: number;
  /** 2 halves height and width. Default: 1. */
  stride?: Stride | undefined;
  /** Between the two. Default: "relu". */
  activation?: Activation | undefined;
}

/** A layer as a person writes it. */
export type LayerInput =
  | Exclude<Layer, { type: "residual" | "parallel" }>
  | SeparableLayer
  | ResidualLayer<LayerInput>
  | ParallelLayer<LayerInput>;

/** A network as plain data: stages one after the other, an exit head (the classifier of that exit) at the end of each. */
export interface Blueprint {
  /** For figures and model cards. */
  name: string;
  /** Channels, height and width of a picture, [C, H, W]. */
  input: [number, number, number];
  /** 2 to 8, one after the other; an exit at the end of each. */
  stages: {
    /** What the next stage goes on from. */
    layers: Layer[];
    /** From there to the classes. */
    head: Layer[];
  }[];
}

/** The same as a person writes it, with `separable`. */
export interface BlueprintInput {
  /** The JSON Schema in the package, for editors. */
  $schema?: string | undefined;
  /** For figures and model cards. */
  name: string;
  /** Channels, height and width of a picture, [C, H, W]. */
  input: [number, number, number];
  /** 2 to 8, one after the other; an exit at the end of each. */
  stages: {
    /** What the next stage goes on from. */
    layers: LayerInput[];
    /** From there to the classes. */
    head: LayerInput[];
  }[];
}

const count = z.int().min(1).max(65536);
const channels = count.describe("Of the result.");
const activation = z.enum(["relu", "gelu", "silu"]).optional().describe('Between the two. Default: "relu".');
const stride = z
  .union([z.literal(1), z.literal(2)])
  .optional()
  .describe("2 halves height and width. Default: 1.");
const bias = z.boolean().optional().describe("Whether a number is added per channel. Default: false.");

// Each description stands above the field's type, too: types that are inferred have no comments. A test compares the two.
const layerSchema: z.ZodType<Layer | SeparableLayer, LayerInput> = z.lazy(() =>
  z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("conv"),
      channels,
      kernel: z
        .union([z.literal(1), z.literal(3)])
        .optional()
        .describe("Side of the kernel in pixels, 1 or 3; the border is padded with zeros. Default: 3."),
      stride,
      groups: count.optional().describe("Parts of the channels that see only their own inputs. Default: 1."),
      bias,
    }),
    z.strictObject({
      type: z.literal("whitening"),
      channels: count.multipleOf(2).describe("Of the result; an even number."),
      stride,
    }),
    z.strictObject({ type: z.literal("depthwiseConv"), stride, bias }),
    z.strictObject({
      type: z.literal("linear"),
      features: z.union([count, z.literal("classes")]).describe('Of the result; "classes" is one per class.'),
      bias: z.boolean().optional().describe("Whether a number is added per feature. Default: true."),
    }),
    z.strictObject({
      type: z.enum(["batchNorm", "relu", "gelu", "silu", "globalAveragePool", "globalMaxPool", "identity"]),
    }),
    z.strictObject({
      type: z.enum(["maxPool", "averagePool"]),
      size: z.int().min(2).max(32).optional().describe("Side of the square and its stride, in pixels. Default: 2."),
    }),
    z.strictObject({
      type: z.literal("dropout"),
      rate: z.number().min(0).lt(1).describe("Share that is set to 0, 0..1."),
      whole: z.enum(["values", "channels"]).optional().describe('What is dropped as one. Default: "values".'),
    }),
    z.strictObject({
      type: z.literal("residual"),
      layers: layersSchema.describe("One after the other."),
      shortcut: layersSchema.optional().describe("What is added to their result. Default: x itself."),
    }),
    z.strictObject({
      type: z.literal("parallel"),
      branches: z.array(layersSchema).min(1).describe("Each a list of layers, one after the other."),
    }),
    z.strictObject({ type: z.literal("separable"), channels, stride, activation }),
  ]),
) as z.ZodType<Layer | SeparableLayer, LayerInput>;

const layersSchema: z.ZodType<Layer[], LayerInput[]> = z
  .array(layerSchema)
  .transform((list) => list.flatMap((layer) => (layer.type === "separable" ? separableLayers(layer) : [layer])));

function separableLayers({ channels, stride = 1, activation = "relu" }: SeparableLayer): Layer[] {
  return [
    { type: "depthwiseConv", stride },
    { type: "batchNorm" },
    { type: activation },
    { type: "conv", channels, kernel: 1 },
    { type: "batchNorm" },
  ];
}

const wholeBlueprint = z.strictObject({
  $schema: z.string().optional().describe("The JSON Schema in the package, for editors."),
  name: z.string().min(1).describe("For figures and model cards."),
  input: z.tuple([count, count, count]).describe("Channels, height and width of a picture, [C, H, W]."),
  stages: z
    .array(
      z.strictObject({
        layers: layersSchema.describe("What the next stage goes on from."),
        head: layersSchema.describe("From there to the classes."),
      }),
    )
    .min(2)
    .max(8)
    .describe("2 to 8, one after the other; an exit at the end of each."),
});

export const blueprintSchema: z.ZodType<Blueprint, BlueprintInput> = wholeBlueprint.transform(
  ({ $schema: _, ...blueprint }) => blueprint,
);

/** The schema calls itself for layers inside layers. @throws {UserError} if they are nested too deeply for that */
function parsedWithin(data: unknown, where: string) {
  try {
    return blueprintSchema.safeParse(data);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UserError(`${where}: layers some levels deep expected, found ${cause.message}; nest them less`, {
      cause,
    });
  }
}

/**
 * Checks plain data, for example from a JSON file.
 *
 * @throws {UserError} naming the first place that is not as expected
 */
export function parseBlueprint(data: unknown, where = "blueprint"): Blueprint {
  const parsed = parsedWithin(data, where);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(
    `${where}: a network of 2 to 8 stages expected, found at ${issue.path.join(".") || "the top"}: ${issue.message}; ` +
      "see the blueprints in src/network/blueprints.ts",
  );
}
