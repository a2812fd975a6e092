import type { Dataset, Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { Blueprint } from "../network/blueprint.ts";
import { blueprintTrainable } from "../network/blueprint-network.ts";
import { checkBlueprint } from "../network/cost.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { VERSION } from "../version.ts";
import type { Recipe } from "./recipe.ts";
import { startOf, type Trained } from "./start.ts";
import { buildTrainingStep } from "./step.ts";
import type { TeacherNetwork } from "./teacher.ts";
import { type TrainingHooks, trainStaged } from "./training-loop.ts";

export interface TrainOptions extends TrainingHooks {
  readonly runtime: Runtime;
  readonly blueprint: Blueprint;
  readonly dataset: Dataset;
  readonly recipe: Recipe;
  readonly seed: number;
  /** A network to start from, see `startOf`. */
  readonly from?: Trained | undefined;
  /** A network whose answers all exits learn from, as the recipe's `teacher` says. */
  readonly teacher?: TeacherNetwork | undefined;
}

/**
 * Trains all exits together on the train split. The same options and seed give the same bytes, also after an interruption.
 *
 * @throws {UserError} if there is no train split, or the loss is no number (with the step)
 */
export async function trainNetwork(options: TrainOptions): Promise<StagedNetwork> {
  const { blueprint, dataset, recipe, seed, from } = options;
  const train = checkedTrainSplit(blueprint, dataset, recipe);
  const { weights: start, normalisation } = await startOf(blueprint, dataset, train, from);
  const trainable = blueprintTrainable(blueprint, dataset.classes, normalisation);
  return trainStaged({
    ...options,
    trainable,
    definition: trainingStep(blueprint, () => buildTrainingStep(trainable, recipe, { seed, start })),
    samples: train,
    normalisation,
    provenance: {
      dataset: { name: dataset.name, sha256: splitHashes(dataset) },
      seed,
      version: VERSION,
      recipe: {
        ...recipe,
        ...(from ? { from: { name: from.name, sha256: from.sha256 } } : {}),
        ...(options.teacher ? { taughtBy: options.teacher.name } : {}),
      },
    },
  });
}

/** Training has its own layout: what fits together in inference need not do so here. @throws {UserError} naming the layer */
function trainingStep<T>({ name }: Blueprint, build: () => T): T {
  try {
    return build();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UserError(
      `train: layers of blueprint ${name} that can be trained expected, found ${cause.message}; correct that layer`,
      { cause },
    );
  }
}

function checkedTrainSplit(
  blueprint: Blueprint,
  { name, imageShape, classes, train }: Dataset,
  recipe: Recipe,
): Samples {
  if (!train)
    throw new UserError(
      `train: a dataset with a training part expected, found only a test part in ${name}; give the whole dataset`,
    );
  if (blueprint.input.join() !== imageShape.join())
    throw new UserError(
      `train: images of ${blueprint.input.join("x")} expected by ${blueprint.name}, found ${imageShape.join("x")} in ${name}; ` +
        "use a blueprint with that input",
    );
  if (train.count < recipe.batchSize)
    throw new UserError(
      `train: at least one batch of ${recipe.batchSize} images expected, found ${train.count} in ${name}; set a smaller batchSize`,
    );
  checkBlueprint(blueprint, classes.length);
  const exits = blueprint.stages.length;
  const { exitWeights } = recipe;
  for (const [when, weights] of typeof exitWeights === "object" ? Object.entries(exitWeights) : [])
    if (weights.length !== exits)
      throw new UserError(
        `recipe: exitWeights.${when} of ${exits} numbers expected, found ${weights.length}; give one per exit`,
      );
  return train;
}

/** SHA-256 of each split. */
export function splitHashes({ train, validation, test }: Dataset): Record<string, string> {
  const splits = { train, validation, test };
  return Object.fromEntries(Object.entries(splits).flatMap(([name, split]) => (split ? [[name, split.sha256]] : [])));
}
