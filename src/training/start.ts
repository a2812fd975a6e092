/** What a training begins with: random numbers, whitening filters, or the weights of a network that has learned something else. */
import { channelStatistics, type Normalisation } from "../dataset/augmentation.ts";
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { sameShape } from "../graph/tensor.ts";
import type { Blueprint } from "../network/blueprint.ts";
import { initialWeights } from "../network/training-graph.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { startingWeights } from "./whitening.ts";

/** A network that has learned something: `BlueprintNetwork` is one. */
export interface Trained {
  readonly name: string;
  readonly sha256: string;
  readonly weights: Weights;
  readonly normalisation: Normalisation;
  readonly classes: readonly string[];
}

export interface Start {
  /** Those that are not here begin at random. */
  readonly weights: Weights;
  readonly normalisation: Normalisation;
}

/**
 * Where `from` has a weight of the same name and shape, the training begins with it, and pictures are normalised as it knows them.
 * (Grey pictures after a network of coloured ones: its first filters are made anew.)
 * The last layers of the heads begin anew unless the classes are the same ones in the same order. Convolutions do not depend on
 * the size of the pictures, so a network that learned from small ones may start one for larger ones.
 *
 * @throws {UserError} if less than half of the numbers of the new network's stages can be taken over
 */
export async function startOf(
  blueprint: Blueprint,
  { imageShape, classes }: Pick<Dataset, "imageShape" | "classes">,
  train: Samples,
  from?: Trained,
): Promise<Start> {
  const isSameKind = from?.normalisation.mean.length === imageShape[0];
  const normalisation = from && isSameKind ? from.normalisation : channelStatistics(train, imageShape);
  const filters = () => startingWeights(blueprint, train, imageShape, normalisation);
  if (!from) return { weights: await filters(), normalisation };
  const wanted = initialWeights(blueprint, classes.length);
  const isSameTask = from.classes.join("\n") === classes.join("\n");
  const last = lastLayers(blueprint);
  const taken = new Map<string, NamedArray>(isSameKind ? [] : await filters());
  let numbers = 0;
  for (const [name, { shape, data }] of wanted) {
    const found = from.weights.get(name);
    if (!found || !sameShape(found.shape, shape)) continue;
    if (!isSameTask && last.some((path) => name.startsWith(path))) continue;
    taken.set(name, found);
    numbers += data.length;
  }
  const all = [...wanted.values()].reduce((sum, { data }) => sum + data.length, 0);
  if (numbers < all / 2)
    throw new UserError(
      `from: a network of which ${blueprint.name} can take over at least half expected, found ${from.name}, which gives ` +
        `${numbers} of ${all} numbers; give its blueprint, or another model`,
    );
  return { weights: taken, normalisation };
}

/** Where the layers stand that end in one number per class. */
function lastLayers({ stages }: Blueprint): string[] {
  return stages.flatMap(({ head }, i) =>
    head.flatMap((layer, j) =>
      layer.type === "linear" && layer.features === "classes" ? [`stages.${i}.head.${j}.`] : [],
    ),
  );
}
