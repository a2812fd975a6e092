import { z } from "zod";
import { UserError } from "../errors.ts";

type Activation = "relu" | "gelu" | "silu";
type Stride = 1 | 2;

/** Layers take and give [B, C, H, W], or [B, features] after a global pool. */
export type Layer =
  | { type: "conv"; channels: number; kernel?: 1 | 3; stride?: Stride; groups?: number; bias?: boolean }
  /**
   * Only as the very first layer: a 3x3 convolution whose filters are not trained but are the leading principal components of the
   * training images' patches, scaled to variance 1, each with both signs; only its bias is trained. See `whiteningFilters`.
   */
  | { type: "whitening"; channels: number; stride?: Stride }
  /** one 3x3 kernel per channel */
  | { type: "depthwiseConv"; stride?: Stride; bias?: boolean }
  /** bias by default */
  | { type: "linear"; features: number | "classes"; bias?: boolean }
  | { type: "batchNorm" | Activation | "globalAveragePool" | "globalMaxPool" | "identity" }
  | { type: "maxPool" | "averagePool"; size?: number }
  | { type: "dropout"; rate: number; whole?: "values" | "channels" }
  /** y = layers(x) + shortcut(x); the shortcut is x itself by default */
  | { type: "residual"; layers: Layer[]; shortcut?: Layer[] }
  /** every branch sees x; their results are put side by side along the channels */
  | { type: "parallel"; branches: Layer[][] };

/** Short for depthwise 3x3, batch norm, activation, 1x1 to `channels`, batch norm. */
interface Separable {
  type: "separable";
  channels: number;
  stride?: Stride;
  activation?: Activation;
}

/** A layer as a person writes it. */
export type LayerInput =
  | Exclude<Layer, { type: "residual" | "parallel" }>
  | Separable
  | { type: "residual"; layers: LayerInput[]; shortcut?: LayerInput[] }
  | { type: "parallel"; branches: LayerInput[][] };

const count = z.int().min(1).max(65536);
const activation = z.enum(["relu", "gelu", "silu"]);
const stride = z.union([z.literal(1), z.literal(2)]).optional();
const bias = z.boolean().optional();

const layerSchema: z.ZodType<Layer | Separable, LayerInput> = z.lazy(() =>
  z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("conv"),
      channels: count,
      kernel: z.union([z.literal(1), z.literal(3)]).optional(),
      stride,
      groups: count.optional(),
      bias,
    }),
    z.strictObject({ type: z.literal("whitening"), channels: count.multipleOf(2), stride }),
    z.strictObject({ type: z.literal("depthwiseConv"), stride, bias }),
    z.strictObject({ type: z.literal("linear"), features: z.union([count, z.literal("classes")]), bias }),
    z.strictObject({
      type: z.enum(["batchNorm", "relu", "gelu", "silu", "globalAveragePool", "globalMaxPool", "identity"]),
    }),
    z.strictObject({ type: z.enum(["maxPool", "averagePool"]), size: z.int().min(2).max(32).optional() }),
    z.strictObject({
      type: z.literal("dropout"),
      rate: z.number().min(0).lt(1),
      whole: z.enum(["values", "channels"]).optional(),
    }),
    z.strictObject({ type: z.literal("residual"), layers: layersSchema, shortcut: layersSchema.optional() }),
    z.strictObject({ type: z.literal("parallel"), branches: z.array(layersSchema).min(1) }),
    z.strictObject({ type: z.literal("separable"), channels: count, stride, activation: activation.optional() }),
  ]),
) as z.ZodType<Layer | Separable, LayerInput>;

const layersSchema: z.ZodType<Layer[], LayerInput[]> = z
  .array(layerSchema)
  .transform((list) => list.flatMap((layer) => (layer.type === "separable" ? separableLayers(layer) : [layer])));

function separableLayers({ channels, stride = 1, activation = "relu" }: Separable): Layer[] {
  return [
    { type: "depthwiseConv", stride },
    { type: "batchNorm" },
    { type: activation },
    { type: "conv", channels, kernel: 1 },
    { type: "batchNorm" },
  ];
}

/** The JSON Schema in the package, for the `$schema` of a file: editors then check and complete it. */
const $schema = z.string().optional();

const wholeBlueprint = z.strictObject({
  $schema,
  name: z.string().min(1),
  /** [C, H, W] */
  input: z.tuple([count, count, count]),
  stages: z
    .array(z.strictObject({ layers: layersSchema, head: layersSchema }))
    .min(2)
    .max(8),
});

export const blueprintSchema = wholeBlueprint.transform(({ $schema: _, ...blueprint }) => blueprint);

/** A network as plain data: stages one after the other, an exit head (the classifier of that exit) at the end of each. */
export type Blueprint = z.output<typeof blueprintSchema>;

/** The same as a person writes it, with `separable`. */
export type BlueprintInput = z.input<typeof blueprintSchema>;

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
