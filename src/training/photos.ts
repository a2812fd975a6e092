/** The recipe for photographs, made for as many as there are. */
import type { ImageShape } from "../dataset/dataset.ts";
import { parseRecipe, type Recipe } from "./recipe.ts";

/** Steps that a training from learned weights, or from nothing, is worth (docs/experiments/photographs.md). */
const STEPS = { learned: 2500, nothing: 4000 };
const EPOCHS = { fewest: 12, most: 200 };
/** With so many pictures of one's own no more need to be made up, with so few as many as can be. */
const PLENTY = 20_000;
const FEW = 600;

export interface PhotoSet {
  /** Pictures to train on. */
  readonly count: number;
  readonly shape: ImageShape;
  /** Whether the training starts from a network that has learned something. */
  readonly isLearned: boolean;
}

/**
 * - Steps decide, not epochs: 2,500 of 64 pictures where the network has learned something already, else 4,000, as long as each
 *   picture is seen 12 to 200 times. Batches are smaller where they would make fewer than eight steps of an epoch.
 * - The fewer pictures, the more they are varied: with x from 0 (20,000 pictures) to 1 (600), on a logarithmic scale, parts of
 *   70 - 50 x% to 110% of a picture, brightness, contrast and saturation by 10 + 30 x%, a blanked square with 10 + 25 x% of the side.
 * - Rates as in `standard`, scaled with the batch; a network that has learned something gets a third of them. Whitening is not
 *   trained: in 2,000 steps some of its biases went to 20, and answers fell apart (docs/experiments/photographs.md).
 * - It ends early once eight looks in a row, in the last quarter, have not bettered the mean accuracy of the exits on validation.
 */
export function photosRecipe({ count, shape, isLearned }: PhotoSet): Recipe {
  const batchSize = [64, 32, 16, 8].find((size) => count >= 8 * size) ?? 4;
  const perEpoch = Math.max(1, Math.floor(count / batchSize));
  const wanted = (isLearned ? STEPS.learned : STEPS.nothing) / perEpoch;
  const epochs = Math.round(Math.min(EPOCHS.most, Math.max(EPOCHS.fewest, wanted)));
  const x = scarcity(count);
  const share = (value: number) => Number(value.toFixed(2));
  const colour = share(0.1 + 0.3 * x);
  return parseRecipe({
    epochs,
    batchSize,
    optimizer: { name: "sgd", momentum: 0.9, weightDecay: 2.5e-3 },
    learningRate: share(((isLearned ? 0.15 : 0.3) * batchSize) / 64),
    biasRateFactor: 3,
    fixedWhitening: true,
    linearRateFactor: 0.03,
    schedule: { name: "triangular", warmup: 0.1, end: 0 },
    initialisation: "dirac",
    exitWeights: "rising",
    labelSmoothing: 0.1,
    augmentation: {
      padding: 0,
      flip: true,
      cutout: Math.round((0.1 + 0.25 * x) * Math.min(shape[1], shape[2])),
      zoom: { area: [share(0.7 - 0.5 * x), 1.1] },
      colour: { brightness: colour, contrast: colour, saturation: colour },
    },
    averageDecay: 0.995,
    weightPrecision: "float16",
    validateEvery: Math.max(1, Math.round(epochs / 20)),
    earlyEnd: { after: 0.75, looks: 8 },
  });
}

/** 0 where there are plenty of pictures, 1 where there are few. */
function scarcity(count: number): number {
  return Math.min(1, Math.max(0, Math.log(PLENTY / count) / Math.log(PLENTY / FEW)));
}
