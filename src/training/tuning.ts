/**
 * How somebody else's network is trained further, with all of its exits: what was learned is to be bettered, not written over.
 *
 * @see Kubaty et al., "How to Train Your Multi-Exit Model?" (ICML 2025): heads first, then all together, is better than heads on a
 *   frozen network and than all from the start
 */
import type { ImageShape } from "../dataset/dataset.ts";
import { parseRecipe, type Recipe, type RecipeInput } from "./recipe.ts";

/** Epochs where nobody says how many: so many pictures are looked at in all, within bounds. */
const PICTURES = 250_000;
const EPOCHS = { least: 2, most: 20 };
/** Bytes that the values of one step may take. */
const STEP_BYTES = 1.5 * 2 ** 30;
/** Values are kept for their gradients, which are as large; what passes through is as much again. */
const COPIES = 3;
const BATCH = 64;

/** Pixels of border before a crop, as a share of a side. */
const BORDER = 1 / 10;

export interface TunedSet {
  /** Of training pictures. */
  readonly count: number;
  readonly shape: ImageShape;
  /** Whether a mirrored picture is one of the same kind. */
  readonly mirrors: boolean;
  /** Values of all tensors that one picture passes through. */
  readonly valuesPerPicture: number;
}

/** @param changes by the user @throws {UserError} if they are no recipe's */
export function tuningRecipe({ count, shape, mirrors, valuesPerPicture }: TunedSet, changes: RecipeInput = {}): Recipe {
  const fitting = Math.floor(STEP_BYTES / (4 * COPIES * valuesPerPicture));
  const epochs = Math.min(EPOCHS.most, Math.max(EPOCHS.least, Math.round(PICTURES / count)));
  return parseRecipe(
    {
      epochs,
      batchSize: Math.max(2, Math.min(BATCH, fitting, count)),
      optimizer: { name: "adamW", weightDecay: 0.01 },
      learningRate: 1e-3,
      schedule: { name: "triangular", warmup: 0.1, end: 0 },
      exitWeights: "rising",
      gradientNorm: 5,
      augmentation: { padding: Math.round(shape[1] * BORDER), flip: mirrors, cutout: 0 },
      averageDecay: 0.99,
      validateEvery: Math.max(1, epochs / 4),
      ...changes,
    },
    "recipe",
  );
}
