/** What continues a training as if it had not stopped, and what is checked before it is believed. */
import { UserError } from "../errors.ts";
import type { NamedArray } from "../network/weights.ts";
import type { Program } from "../runtime/program.ts";

export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  /** SHA-256 of each split that it was trained on. */
  readonly data: Readonly<Record<string, string>>;
  /** All variables of the training step: weights, moments, statistics, averages. */
  readonly variables: ReadonlyMap<string, NamedArray>;
  /** Mean accuracy of the exits on validation at every look so far, as float32. */
  readonly looks?: readonly number[];
}

/**
 * Puts the variables of a checkpoint into the program of the training that it belongs to.
 *
 * @param steps of the whole training
 * @param data SHA-256 of each split of the data now
 * @throws {UserError} unless it is of these data, a step of this training, and has every variable of the program in its shape, with
 *   finite numbers, and no other
 */
export function restore(program: Program, checkpoint: Checkpoint, steps: number, data: Checkpoint["data"]): void {
  const { step, variables } = checkpoint;
  if (!(Number.isInteger(step) && step >= 0 && step <= steps))
    throw refused(`a step from 0 to ${steps} expected, found ${step}`);
  for (const split of new Set([...Object.keys(data), ...Object.keys(checkpoint.data)]))
    if (data[split] !== checkpoint.data[split])
      throw refused(
        `the ${split} split that the training was begun with expected (SHA-256 ${short(checkpoint.data[split])}), found another (${short(data[split])})`,
        "give the same data",
      );
  const names = new Set(program.variableNames);
  const other = [...variables.keys()].find((name) => !names.has(name));
  if (other !== undefined) throw refused(`variables of this training expected, found ${other}`);
  for (const name of names) {
    const [expected, found] = [program.shapeOf(name), variables.get(name)];
    if (found?.shape.join() !== expected.join())
      throw refused(`${name} of shape [${expected}] expected, found ${found ? `[${found.shape}]` : "none"}`);
    checkFinite(name, found.data, "checkpoint", "start afresh, without --resume");
    program.write(name, found.data);
  }
}

function refused(what: string, advice = "start afresh, without --resume"): UserError {
  return new UserError(`checkpoint: ${what}; ${advice}`);
}

function short(sha256: string | undefined): string {
  return sha256 === undefined ? "none" : `${sha256.slice(0, 12)}...`;
}

/** @throws {UserError} naming the first value that is no number */
export function checkFinite(name: string, values: Float32Array, where: string, advice: string): void {
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new UserError(
      `${where}: finite numbers in ${name} expected, found ${values[wrong]} at place ${wrong}; ${advice}`,
    );
}
