/** What data can tell before a step is done: told then, and not after the work. */
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import type { Recipe } from "./recipe.ts";

/** So many classes are named. */
const NAMED = 5;

/**
 * @param arePictures whether the data is somebody's own pictures: then none of the test may be among those to learn from
 * @throws {UserError} if there is nothing to tell apart, a class has no picture to learn from, there are fewer pictures than one step
 *   takes, or pictures to test on are pictures to learn from
 */
export function checkData(data: Dataset, { batchSize }: Pick<Recipe, "batchSize">, arePictures: boolean): void {
  const { name, classes, train, validation, test } = data;
  if (!train)
    throw new UserError(
      `data: pictures to train on expected in ${name}, found only a test part; give the whole dataset`,
    );
  if (classes.length < 2)
    throw new UserError(
      `data: at least 2 classes expected in ${name}, found ${classes.length} (${classes.join()}); add a folder with other pictures`,
    );
  const counts = countByClass(train, classes.length);
  const without = classes.filter((_, label) => counts[label] === 0);
  if (without.length > 0)
    throw new UserError(
      `data: pictures to train on expected of every class in ${name}, found none of ${without.slice(0, NAMED).join(", ")}` +
        `${without.length > NAMED ? ` and ${without.length - NAMED} more` : ""}; add some, or remove the class`,
    );
  if (train.count < batchSize)
    throw new UserError(
      `data: at least ${batchSize} pictures to train on expected, as many as one step takes, found ${train.count} in ${name}; ` +
        "add some, or give a recipe with a smaller batchSize",
    );
  if (!arePictures) return;
  const parts = [
    ["test", "train on", train, test],
    ["validation", "train on", train, validation],
    ["test", "validate on", validation, test],
  ] as const;
  for (const [part, use, known, samples] of parts) {
    const repeated = known && samples ? countRepeated(known, samples) : 0;
    if (repeated > 0)
      throw new UserError(
        `data: pictures for ${part} that are not among those to ${use} expected in ${name}, found ${repeated} of ${samples!.count} that are; ` +
          "figures on them would say nothing: remove them from one of the two",
      );
  }
}

function countByClass({ labels }: Samples, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]! += 1;
  return counts;
}

/** How many of `others` have, pixel by pixel, a twin in `samples`. */
function countRepeated(samples: Samples, others: Samples): number {
  const known = new Map<number, number[]>();
  for (let i = 0; i < samples.count; i++) {
    const key = hash(samples.pixels.read(i, i + 1));
    known.set(key, [...(known.get(key) ?? []), i]);
  }
  let repeated = 0;
  for (let i = 0; i < others.count; i++) {
    const own = others.pixels.read(i, i + 1);
    const twins = known.get(hash(own)) ?? [];
    if (twins.some((twin) => samples.pixels.read(twin, twin + 1).every((value, j) => value === own[j]))) repeated++;
  }
  return repeated;
}

/** FNV-1a, 32 bits: enough to find candidates. */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
  return value;
}
