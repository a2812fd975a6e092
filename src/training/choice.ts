/** Size, network and recipe for data that nobody has said anything about, and why. */
import type { Dataset, ImageShape } from "../dataset/dataset.ts";
import type { Survey } from "../dataset/survey.ts";
import { UserError } from "../errors.ts";
import { builtInBlueprint } from "../network/blueprints.ts";
import { blueprintStages } from "../network/cost.ts";
import { photosRecipe } from "./photos.ts";
import { builtInRecipe, type Recipe, recipeNames } from "./recipe.ts";

/** Pictures keep their own size up to this many pixels. */
const OWN_SIZE = 48;
const SMALLEST = 16;
const USUAL = 64;
const LARGER = 96;
/** So many pictures are worth seeing larger, if that takes no more than so many minutes. */
const MANY = 5000;
const PATIENCE_MINUTES = 30;

/** Multiply-accumulates of the full network that a core trains in a second, by experience: steps cost three times as much. */
const MACS_PER_SECOND = 25e9;

/** The network that is trained where nobody says which. */
export const USUAL_NETWORK = "compact";

/** Blueprint and recipe by name, where nobody says which, for each kind of data. */
export const USUAL_TRAINING = {
  /** The drawn set needs a small network and few epochs: a first run takes two minutes. */
  shapes: { blueprint: "tiny", recipe: "quick" },
  /** Sets of fixed size, made for comparing networks. */
  pixels: { blueprint: USUAL_NETWORK, recipe: "standard" },
  /** Somebody's own pictures; they begin from the network that comes along. */
  pictures: { blueprint: USUAL_NETWORK, recipe: "photos" },
} as const;

/** Pictures come from files that have names; sets of pixels have none. */
export function kindOf({ name, train }: Pick<Dataset, "name" | "train">): keyof typeof USUAL_TRAINING {
  if (train?.names) return "pictures";
  return name === "shapes" ? "shapes" : "pixels";
}

export interface Chosen<T> {
  readonly value: T;
  /** For the user: what was chosen, and why. */
  readonly why: string;
}

/** Pictures' own size up to 48 pixels; else 64, or 96 where there are many and time allows. */
export function chooseShape({ count, side, isGrey }: Survey, cores: number): Chosen<ImageShape> {
  const channels = isGrey ? 1 : 3;
  const square = (size: number): ImageShape => [channels, size, size];
  const colour = isGrey ? "grey, as they are" : "in colour";
  if (side > 0 && side <= OWN_SIZE) {
    const size = Math.max(SMALLEST, side);
    const why = side < SMALLEST ? `larger than the ${side} that they have, which no network takes` : "their own size";
    return { value: square(size), why: `size: ${size}x${size}, ${colour}: ${why} (--size S overrules)` };
  }
  const minutes = trainingMinutes(
    square(LARGER),
    photosRecipe({ count, shape: square(LARGER), isLearned: true }),
    count,
    cores,
  );
  const isLarger = count >= MANY && side >= LARGER && minutes <= PATIENCE_MINUTES;
  const size = isLarger ? LARGER : USUAL;
  const reason = isLarger
    ? `${count} pictures are enough for more than ${USUAL}`
    : "enough to tell most things apart, and quick";
  return {
    value: square(size),
    why: `size: ${size}x${size}, ${colour}, of pictures ${side} pixels or more: ${reason} (--size S overrules)`,
  };
}

const VALIDATION = { share: 0.1, most: 0.3, pictures: 150 };

/** Share of the training pictures that validates: 10%, more of few pictures, so that the policy has 150 to learn from; at most 30%. */
export function validationShare(survey: Survey | null): number {
  const { share, most, pictures } = VALIDATION;
  return survey ? Number(Math.min(most, Math.max(share, pictures / survey.count)).toFixed(3)) : share;
}

/** About how long `USUAL_NETWORK` takes to learn by a recipe. */
export function trainingMinutes(
  shape: ImageShape,
  { epochs }: Pick<Recipe, "epochs">,
  count: number,
  cores: number,
): number {
  const { fullMacs } = blueprintStages(builtInBlueprint(USUAL_NETWORK, shape), 10);
  return (epochs * count * fullMacs) / (MACS_PER_SECOND * cores) / 60;
}

/** All recipes that have a name. */
export const namedRecipes: readonly string[] = [...recipeNames, "photos"];

/**
 * A recipe by name; `photos` is made for the pictures that there are.
 *
 * @throws {UserError} if there is none of that name
 */
export function recipeByName(name: string, set: { count: number; shape: ImageShape; isLearned: boolean }): Recipe {
  if (name === "photos") return photosRecipe(set);
  if (!recipeNames.includes(name))
    throw new UserError(
      `recipe: ${namedRecipes.join(", ")} or a JSON file expected, found ${name}; choose one of them`,
    );
  return builtInRecipe(name);
}
