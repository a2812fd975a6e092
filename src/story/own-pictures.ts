/** What nobody has said is chosen for the data, by the rules of `earlyexit run`: size and share for validation, network, start and recipe. */
import { availableParallelism } from "node:os";
import type { Dataset } from "../dataset/dataset.ts";
import { type OpenOptions, openDataset as openAsTold } from "../dataset/open.ts";
import { surveyPictures } from "../dataset/survey.ts";
import type { Blueprint } from "../network/blueprint.ts";
import { checkData } from "../training/check-data.ts";
import {
  chooseShape,
  kindOf,
  recipeByName,
  USUAL_NETWORK,
  USUAL_TRAINING,
  validationShare,
} from "../training/choice.ts";
import { parseRecipe, type Recipe, type RecipeInput } from "../training/recipe.ts";
import type { Trained } from "../training/start.ts";
import { loadStart, PRETRAINED } from "./pretrained.ts";

/**
 * Opens a dataset and splits its training part into train and validation, stratified and seeded. Of pictures, size and share are chosen
 * where they are not given: their own size up to 48 pixels, else 64 (96 where there are many); 10% to validate, of few pictures more.
 *
 * @param source `shapes` (built in, drawn), `cifar10` (the official archive, downloaded once), or the path of a folder,
 *   `.zip`, `.tar`, `.tar.gz` or `.parquet` whose layout is recognised by its files (a folder of one of these names: `./shapes`)
 * @throws {UserError} if there is nothing at the path, its layout is unknown, or a file is damaged
 */
export async function openDataset(source: string, options: OpenOptions = {}): Promise<Dataset> {
  const { size, validationFraction, labels, cacheFolder } = options;
  const isSaid = size !== undefined && validationFraction !== undefined;
  if (isSaid || source === "shapes" || source === "cifar10") return openAsTold(source, options);
  const survey = await surveyPictures(source, { labels, ...(cacheFolder ? { cacheFolder } : {}) });
  if (!survey) return openAsTold(source, options);
  return openAsTold(source, {
    size: chooseShape(survey, availableParallelism()).value,
    validationFraction: validationShare(survey),
    ...options,
  });
}

export interface TrainingWanted {
  readonly data: Dataset;
  readonly blueprint?: string | Blueprint | undefined;
  readonly recipe?: string | RecipeInput | undefined;
  readonly epochs?: number | undefined;
  readonly from?: Trained | null | undefined;
}

/**
 * Blueprint, recipe and start for data. Pictures begin from the network that comes along where `from` is absent and the blueprint is its
 * own, and are looked at before the first step: see `checkData`.
 *
 * @throws {UserError} if there is no blueprint or recipe of that name, or the data cannot be learned from
 */
export async function chosenTraining({ data, ...wanted }: TrainingWanted) {
  const kind = kindOf(data);
  const { blueprint = USUAL_TRAINING[kind].blueprint } = wanted;
  const begunFrom = kind === "pictures" && wanted.from === undefined && blueprint === USUAL_NETWORK;
  const from: Trained | null = begunFrom ? await loadStart(PRETRAINED) : (wanted.from ?? null);
  const usual = recipeFor(data, wanted.recipe ?? USUAL_TRAINING[kind].recipe, from !== null);
  const recipe = wanted.epochs === undefined ? usual : parseRecipe({ ...usual, epochs: wanted.epochs });
  if (kind === "pictures") checkData(data, recipe, false); // the command looks for leaks as well
  return { blueprint, recipe, ...(from ? { from } : {}) };
}

function recipeFor({ train, imageShape }: Dataset, recipe: string | RecipeInput, isLearned: boolean): Recipe {
  if (typeof recipe === "object") return parseRecipe(recipe);
  return recipeByName(recipe, { count: train?.count ?? 0, shape: imageShape, isLearned });
}
