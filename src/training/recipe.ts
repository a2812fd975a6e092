import { z } from "zod";
import { UserError } from "../errors.ts";
import { initialisations } from "../network/weights.ts";
import type { Recipe, RecipeInput } from "./recipe-types.ts";

const share = z.number().min(0).max(1);
const positive = z.number().positive();
const exitShares = z
  .array(share)
  .min(2)
  .refine((weights) => weights.some((one) => one > 0), "at least one weight above 0 expected, found none");

const optimizerSchema = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("sgd"),
    momentum: z.number().min(0).lt(1).default(0.9).describe("Nesterov momentum."),
    weightDecay: z
      .number()
      .min(0)
      .default(0)
      .describe("Decoupled: a weight shrinks by learning rate x decay at each step."),
  }),
  z.strictObject({
    name: z.literal("adamW"),
    weightDecay: z
      .number()
      .min(0)
      .default(1e-4)
      .describe("Decoupled: a weight shrinks by learning rate x decay at each step."),
  }),
]);

const scheduleSchema = z.discriminatedUnion("name", [
  z.strictObject({
    name: z
      .literal("triangular")
      .describe("Straight up over the first `warmup` of the training, then straight down to `end` of the peak."),
    warmup: share.default(0.2).describe("Share of the training, 0..1."),
    end: share.default(0.01).describe("Share of the peak, 0..1."),
  }),
  z.strictObject({
    name: z.literal("cosine").describe("Straight up over `warmupEpochs`, then half a cosine down to 0."),
    warmupEpochs: z.number().min(0).default(1).describe("Epochs."),
  }),
  z.strictObject({
    name: z
      .literal("cosineRestarts")
      .describe(
        "Half a cosine from the peak to `minimum`, starting again `firstEpochs` epochs in, then after `factor` times as many.",
      ),
    firstEpochs: positive.default(10).describe("Epochs until it first starts again."),
    factor: z.number().min(1).default(2).describe("How many times as long each part is as the one before."),
    minimum: z.number().min(0).default(1e-6).describe("Least learning rate."),
  }),
]);

const exitWeightsSchema = z.union([
  z.enum(["equal", "rising"]),
  z.strictObject({
    start: exitShares.describe("One number per exit, at the first step."),
    end: exitShares.describe("One number per exit, at the last step."),
  }),
]);

const zoomSchema = z.strictObject({
  area: z
    .tuple([positive.max(4), positive.max(4)])
    .refine(([from, to]) => from <= to, "smallest before largest")
    .describe("Smallest and largest part, as a share of the image's area; above 1 it takes in reflected border."),
  stretch: z
    .number()
    .min(1)
    .max(4)
    .default(4 / 3)
    .describe("Most by which the part's sides differ from the image's, as a ratio."),
});

const colourSchema = z.strictObject({
  brightness: share.default(0.2).describe("Most by which it changes, 0..1."),
  contrast: share.default(0.2).describe("Most by which it changes, 0..1."),
  saturation: share.default(0.2).describe("Most by which it changes, 0..1."),
});

const augmentationSchema = z.strictObject({
  padding: z.int().min(0).default(2).describe("Pixels of reflected border before a random crop."),
  flip: z.boolean().default(true).describe("Mirrored in every second epoch."),
  cutout: z.int().min(0).default(0).describe("Side of the square that is blanked out, in pixels; 0 is none."),
  zoom: zoomSchema.optional().describe("In place of `padding`: a random part of the image becomes the whole."),
  colour: colourSchema.optional().describe("Random brightness, contrast and saturation."),
});

const distillationSchema = z.strictObject({
  weight: share.describe("Of learning from the last exit, 0..1."),
  temperature: positive.default(2).describe("By which both exits' logits are divided."),
});

const teacherSchema = z.strictObject({
  weight: share.default(0.7).describe("Of learning from the teacher, 0..1; the rest is learned from the labels."),
  temperature: positive.default(2).describe("By which its logits and the exits' are divided."),
});

const earlyEndSchema = z.strictObject({
  after: share.describe("Share of the training, 0..1."),
  looks: z.int().min(1).describe("Looks at validation in a row."),
});

/** How a network is trained: plain data, stored with the run. Every field has a default. Its types are written from it, see below. */
const wholeRecipe = z.strictObject({
  $schema: z.string().optional().describe("The JSON Schema in the package, for editors."),
  epochs: positive.default(20).describe("Times that each picture is trained on."),
  batchSize: z.int().min(2).default(128).describe("Images per step."),
  optimizer: optimizerSchema.prefault({ name: "sgd", weightDecay: 5e-4 }).describe("Turns gradients into steps."),
  learningRate: positive.default(0.1).describe("Peak."),
  biasRateFactor: positive
    .default(1)
    .describe("Times the learning rate, for biases and for batch norm's offsets, which never decay."),
  linearRateFactor: positive
    .default(1)
    .describe(
      "Times the learning rate, for the weights of linear layers: nothing normalises them, so that they bear a lower rate than " +
        "convolutions before a batch norm.",
    ),
  fixedWhitening: z
    .boolean()
    .optional()
    .describe(
      "The bias of a whitening layer stays as it is at the start, as its filters do: once it is large, its activation is a straight " +
        "line, nothing holds it, and in long trainings the running statistics fall behind it.",
    ),
  schedule: scheduleSchema.prefault({ name: "triangular" }).describe("The learning rate over the training."),
  initialisation: z.enum(initialisations).default("he").describe("First values of the convolutions."),
  exitWeights: exitWeightsSchema
    .default("equal")
    .describe(
      'Weight of each exit\'s loss, normalised to sum 1: "equal"; "rising", in proportion to 2, 3, 4, ...; or one number per exit, ' +
        "moving in a straight line from start to end of the training.",
    ),
  distillation: distillationSchema
    .optional()
    .describe(
      "Every exit but the last also learns from the last one: (1 - weight) cross entropy + weight KL to it at this temperature.",
    ),
  teacher: teacherSchema
    .optional()
    .describe(
      "Of the network that --teacher names: every exit learns from its answers on the same view of each picture.",
    ),
  labelSmoothing: share.default(0).describe("Share of each label that is spread over all classes, 0..1."),
  gradientNorm: positive
    .nullable()
    .default(null)
    .describe("Gradients are scaled down to this global norm; null leaves them as they are."),
  augmentation: augmentationSchema.prefault({}).describe("What makes each epoch's pictures others."),
  averageDecay: z
    .number()
    .min(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe(
      "The network that is kept is an exponential moving average of the weights with this decay per step; null keeps the last one.",
    ),
  weightPrecision: z
    .enum(["float32", "float16"])
    .default("float32")
    .describe(
      'Of the weights that are kept; training is in float32 all the same. "float16" halves the file, its digits are those that matter.',
    ),
  validateEvery: positive
    .default(5)
    .describe("Epochs between looks at the validation split; the last epoch is always looked at."),
  earlyEnd: earlyEndSchema
    .optional()
    .describe(
      "Ends the training once so many looks in a row have not bettered the mean accuracy of the exits on validation, at the earliest " +
        "when the share `after` of it is done.",
    ),
  balance: z
    .boolean()
    .optional()
    .describe("Each class weighs as much as any other in the loss, however many pictures it has."),
});

/** The types are written from the schema, comments and all, since those that TypeScript infers from it have none. */
export const recipeSchema: z.ZodType<Recipe, RecipeInput> = wholeRecipe.transform(
  ({ $schema: _, ...recipe }) => recipe,
);

export type { Recipe, RecipeInput };

/**
 * The published recipe: AdamW, restarts after 10 and 30 epochs, exit weights moving from early to late exits, gradient norm 1.
 * Our crop pads by reflection where the published one pads with black.
 */
const published: RecipeInput = {
  epochs: 50,
  batchSize: 128,
  optimizer: { name: "adamW", weightDecay: 1e-4 },
  learningRate: 1e-3,
  schedule: { name: "cosineRestarts", firstEpochs: 10, factor: 2, minimum: 1e-6 },
  exitWeights: { start: [0.4, 0.2, 0.2, 0.2], end: [0, 0.3, 0.4, 0.5] },
  gradientNorm: 1,
  augmentation: { padding: 4, flip: true, cutout: 0 },
};

/**
 * Ours, for photographs: after Keller Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024): SGD with Nesterov
 * momentum, dirac initialisation, biases at a higher rate, a moving average of the weights. The rates are for batches of
 * 128, linear layers have a lower rate where the paper scales their output.
 */
const standard: RecipeInput = {
  epochs: 32,
  batchSize: 128,
  optimizer: { name: "sgd", momentum: 0.9, weightDecay: 2.5e-3 },
  learningRate: 0.5,
  biasRateFactor: 3,
  linearRateFactor: 0.03,
  schedule: { name: "triangular", warmup: 0.1, end: 0 },
  initialisation: "dirac",
  exitWeights: "rising",
  labelSmoothing: 0.1,
  augmentation: { padding: 3, flip: true, cutout: 0 },
  averageDecay: 0.995,
  weightPrecision: "float16",
};

/** `standard` within 40 minutes, for `compact` on two cores. */
const fast: RecipeInput = { ...standard, epochs: 20 };

/** For the drawn set, where every view is new anyway. */
const quick: RecipeInput = {
  epochs: 8,
  batchSize: 64,
  optimizer: { name: "sgd", momentum: 0.9, weightDecay: 4e-3 },
  learningRate: 0.05,
  schedule: { name: "triangular", warmup: 0.2, end: 0 },
  labelSmoothing: 0.05,
  distillation: { weight: 0.3, temperature: 2 },
  gradientNorm: 5,
  augmentation: { padding: 2, flip: true, cutout: 0 },
  averageDecay: 0.995,
  validateEvery: 4,
};

const recipes: Readonly<Record<string, RecipeInput>> = { standard, fast, published, quick };

export const recipeNames: readonly string[] = Object.keys(recipes);

/** @throws {UserError} if there is no such recipe */
export function builtInRecipe(name: string, changes: Partial<RecipeInput> = {}): Recipe {
  const found = recipes[name];
  if (!found)
    throw new UserError(`recipe: ${recipeNames.join(", ")} or a JSON file expected, found ${name}; choose one of them`);
  return parseRecipe({ ...found, ...changes }, name);
}

/** @throws {UserError} naming the first field that is not as expected */
export function parseRecipe(data: unknown, where = "recipe"): Recipe {
  const parsed = recipeSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  const issue = innermost(parsed.error.issues[0]!);
  throw new UserError(
    `${where}: a training recipe expected, found at ${issue.path.join(".") || "the top"}: ${issue.message}; ` +
      "see src/training/recipe.ts",
  );
}

/** Where a field may be one of several things: what is wrong with the one that came nearest, the last one. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  const inner = issue.code === "invalid_union" ? issue.errors.at(-1)?.[0] : undefined;
  return inner ? { ...inner, path: [...issue.path, ...inner.path] } : issue;
}
