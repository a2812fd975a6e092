/** Everything before the first step of a training: data is opened, what nobody said is chosen, and what would go wrong is told. */
import { availableParallelism } from "node:os";
import type { Dataset, ImageShape } from "../dataset/dataset.ts";
import { surveyPictures } from "../dataset/survey.ts";
import { UserError } from "../errors.ts";
import type { Blueprint } from "../network/blueprint.ts";
import type { BlueprintNetwork } from "../network/blueprint-network.ts";
import { blueprintNames, builtInBlueprint } from "../network/blueprints.ts";
import { blueprintStages } from "../network/cost.ts";
import { formatMillions } from "../report/format.ts";
import { loadStart, PRETRAINED } from "../story/pretrained.ts";
import { checkData } from "../training/check-data.ts";
import {
  type Chosen,
  chooseShape,
  recipeByName,
  trainingMinutes,
  USUAL_NETWORK,
  USUAL_TRAINING,
  validationShare,
} from "../training/choice.ts";
import type { Recipe } from "../training/recipe.ts";
import { splitHashes } from "../training/train.ts";
import { askedOf, openData } from "./options.ts";
import type { Progress } from "./progress.ts";
import { type Asked, type RunConfig, recipeData, resolveBlueprint } from "./run-config.ts";

export interface Prepared {
  readonly config: RunConfig;
  readonly data: Dataset;
  /** What the training starts from. */
  readonly from: BlueprintNetwork | null;
}

export interface PrepareOptions {
  /** That train; default: all. */
  readonly cores?: number | undefined;
  /** Whether a policy is to be learned afterwards. */
  readonly isLearning: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Opens the data and settles what the run is: blueprint, recipe, start. Of pictures, what was chosen and why is told in three lines.
 *
 * @throws {UserError} if data, options and files do not fit together
 */
export async function prepareTraining(
  asked: Asked,
  { cores, isLearning, progress, signal }: PrepareOptions,
): Promise<Prepared> {
  const isNamed = asked.data === "shapes" || asked.data === "cifar10";
  const survey = isNamed ? null : await surveyPictures(asked.data, { labels: asked.labels ?? undefined });
  const given = asked.from && asked.from !== "none" ? await loadStart(asked.from) : null;
  const fixed = await fixedBlueprint(asked, given);
  const threads = cores ?? availableParallelism();
  const shape = survey && shapeFor(asked, fixed, chooseShape(survey, threads));
  const validation = asked.validation ?? validationShare(survey);
  const data = await openData(asked.data, progress, {
    seed: asked.seed,
    ...askedOf(asked),
    ...(signal ? { signal } : {}),
    validationFraction: validation,
    ...(shape ? { size: shape.value } : {}),
  });
  checkSameData(asked, data);
  const defaults = survey
    ? USUAL_TRAINING.pictures
    : asked.data === "shapes"
      ? USUAL_TRAINING.shapes
      : USUAL_TRAINING.pixels;
  const name = asked.blueprint ?? given?.blueprint.name ?? defaults.blueprint;
  const blueprint = fixed ?? (await resolveBlueprint(name, data.imageShape));
  const isUsual = survey !== null && asked.from === undefined && name === USUAL_NETWORK;
  const from = isUsual ? await loadStart(PRETRAINED) : given;
  const config: RunConfig = {
    data: asked.data,
    blueprint,
    recipe: await recipeFor(asked, defaults.recipe, data, from !== null),
    seed: asked.seed,
    size: asked.size,
    labels: asked.labels,
    skipBroken: asked.skipBroken,
    from: isUsual ? PRETRAINED : given && asked.from!,
    ...(asked.teacher ? { teacher: asked.teacher } : {}),
    validation,
    sha256: splitHashes(data),
  };
  checkData(data, config.recipe, survey !== null);
  if (isLearning) checkValidation(data, validation);
  if (shape) for (const line of [shape.why, ...reasons(asked, config, data, threads)]) progress.note(line);
  return { config, data, from };
}

/** A policy is learned from at least so many pictures. */
const LEAST_VALIDATION = 50;

/** @throws {UserError} if there are too few pictures for what comes after training */
function checkValidation({ name, train, validation }: Dataset, share: number): void {
  const found = validation?.count ?? 0;
  if (found >= LEAST_VALIDATION) return;
  const enough = Math.ceil((100 * LEAST_VALIDATION) / Math.max(1, (train?.count ?? 0) + found)) / 100;
  const advice = enough <= 0.5 ? `give --validation ${enough}` : "add pictures";
  throw new UserError(
    `data: at least ${LEAST_VALIDATION} pictures for validation expected, from which is learned when to stop, found ${found} in ${name} ` +
      `(a share of ${share}); ${advice}, or train the network alone with 'earlyexit train'`,
  );
}

/** A blueprint that says itself how large its pictures are; null where the pictures decide. */
async function fixedBlueprint({ blueprint, file }: Asked, given: BlueprintNetwork | null): Promise<Blueprint | null> {
  if (typeof blueprint === "object") return resolveBlueprint(blueprint, undefined, file);
  if (blueprint)
    return blueprintNames.includes(blueprint) || !blueprint.endsWith(".json") ? null : resolveBlueprint(blueprint);
  if (!given) return null;
  if (!blueprintNames.includes(given.blueprint.name)) return given.blueprint;
  const builtIn = builtInBlueprint(given.blueprint.name, given.blueprint.input);
  return JSON.stringify(builtIn) === JSON.stringify(given.blueprint) ? null : given.blueprint;
}

function shapeFor({ size }: Asked, fixed: Blueprint | null, chosen: Chosen<ImageShape>): Chosen<ImageShape> {
  if (fixed) {
    const [, height, width] = fixed.input;
    if (size !== null && (size !== height || size !== width))
      throw new UserError(
        `size: ${height}x${width} expected, which the blueprint ${fixed.name} takes, found ${size}; leave --size out, or give another --blueprint`,
      );
    return { value: fixed.input, why: `size: ${height}x${width}, as the blueprint takes it` };
  }
  if (size === null) return chosen;
  return { value: [chosen.value[0], size, size], why: `size: ${size}x${size}, as asked for` };
}

/** How a teacher is learned from where the recipe does not say. */
const TAUGHT = { weight: 0.7, temperature: 2 };

async function recipeFor(asked: Asked, usual: string, data: Dataset, isLearned: boolean): Promise<Recipe> {
  const wanted = asked.recipe ?? usual;
  const set = { count: data.train?.count ?? 0, shape: data.imageShape, isLearned };
  const recipe = (await recipeData(wanted, asked.file)) ?? recipeByName(wanted as string, set);
  return {
    ...recipe,
    ...(asked.epochs === undefined ? {} : { epochs: asked.epochs }),
    ...(asked.balance ? { balance: true } : {}),
    ...(asked.teacher && !recipe.teacher ? { teacher: TAUGHT } : {}),
  };
}

/** What was chosen besides the size, and why. */
function reasons(
  asked: Asked,
  { blueprint, recipe, from }: RunConfig,
  { train, classes, imageShape }: Dataset,
  cores: number,
): string[] {
  const { fullMacs } = blueprintStages(blueprint, classes.length);
  const start =
    from === PRETRAINED
      ? "begun from the network that comes along, which knows 45,000 other photographs (--from none overrules)"
      : from
        ? `begun from ${from}`
        : "begun from nothing";
  const why = asked.blueprint ? "as asked for" : "accurate for what it costs";
  const minutes = trainingMinutes(imageShape, recipe, train!.count, cores);
  const about = minutes < 1.5 ? "about a minute" : `about ${Math.round(minutes)} minutes`;
  const time =
    blueprint.name === USUAL_NETWORK
      ? `; ${about} on ${cores} ${cores === 1 ? "core" : "cores"} that have nothing else to do`
      : "";
  return [
    `network: ${blueprint.name}, ${formatMillions(fullMacs)} M MACs: ${why}; ${start}`,
    `recipe: ${asked.recipe ? "as asked for" : "photos, made for"} ${train!.count} pictures to train on: ${recipe.epochs} epochs of ` +
      `${Math.floor(train!.count / recipe.batchSize)} steps${recipe.earlyEnd ? " at most" : ""}${time}`,
  ];
}

/** @throws {UserError} if a run that was begun is to go on with other data */
function checkSameData({ sha256 }: Asked, data: Dataset): void {
  const found = splitHashes(data);
  for (const [split, digest] of Object.entries(sha256 ?? {}))
    if (found[split] !== digest)
      throw new UserError(
        `resume: the data that the run was begun with expected (${split}: SHA-256 ${digest.slice(0, 12)}...), found ` +
          `${found[split] ? `${found[split].slice(0, 12)}...` : "none"}; give the same data, or start afresh without --resume`,
      );
}
