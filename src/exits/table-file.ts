/**
 * An exit table that was made elsewhere, say by a network in PyTorch: a safetensors file with `logits` [N, E, K] (any float
 * type), `labels` [N] (any integer type) and, unless they are given otherwise, `costs` [E] of any of these types. Other arrays are not read.
 * Letters: N images, E exits, K classes.
 */
import { UserError } from "../errors.ts";
import { decodeSafetensors, encodeSafetensors, listSafetensors, type StoredArray } from "../files/safetensors.ts";
import type { ExitCosts, ExitTable } from "./exit-table.ts";

export interface TableFile {
  readonly table: ExitTable;
  /** [E] increasing; null where the file has none */
  readonly costs: readonly number[] | null;
}

/** Exits and classes are kept in one and two bytes. */
const MOST_EXITS = 256;
const MOST_CLASSES = 65_536;
/** A policy keeps the table that it was learned from: 4 GiB, as much as one file of arrays holds, but for its header and labels. */
const MOST_LOGITS = 2 ** 30 - 2 ** 24;

/**
 * @param where the file's name, for messages
 * @throws {UserError} naming the first thing that is not as expected: shapes, types, a label out of range, a logit that is no
 *   number, costs that do not rise
 */
export function decodeTableFile(bytes: Uint8Array, where: string): TableFile {
  const arrays = decodeSafetensors(bytes, where, TABLE_ARRAYS);
  return decodeTable({ arrays, held: listSafetensors(bytes, where) }, where);
}

export const TABLE_ARRAYS = ["logits", "labels", "costs"] as const;

/** What a file holds: the arrays of a table, and names, types and shapes of everything for messages. */
export interface TableSource {
  readonly arrays: ReadonlyMap<string, StoredArray>;
  readonly held: readonly string[];
}

/** The same from arrays that were read already. @throws {UserError} as `decodeTableFile` does */
export function decodeTable(source: TableSource, where: string): TableFile {
  const { arrays } = source;
  const logits = arrayOf(source, "logits", "float32 [N, E, K]", where);
  const [count, exits, classes] = logits.shape as [number, number, number];
  if (logits.shape.length !== 3 || logits.data instanceof Int32Array)
    throw new UserError(`${where}: logits float32 [N, E, K] expected, found ${describe(logits)}; write them so`);
  if (count < 1 || exits < 2 || exits > MOST_EXITS || classes < 2 || classes > MOST_CLASSES)
    throw new UserError(
      `${where}: logits of at least 1 image, 2 to ${MOST_EXITS} exits and 2 to ${MOST_CLASSES} classes expected, ` +
        `found [${logits.shape}]; the order is images, exits, classes`,
    );
  if (logits.data.length > MOST_LOGITS)
    throw new UserError(
      `${where}: at most ${MOST_LOGITS} logits expected, found ${logits.data.length}; give fewer images`,
    );
  const wrong = logits.data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new UserError(
      `${where}: finite logits expected, found ${logits.data[wrong]} ${place(wrong, exits, classes)}; ` +
        "find out why the network gave that",
    );
  const labels = labelsOf(source, count, classes, where);
  const stored = arrays.get("costs");
  if (stored && (stored.shape.length !== 1 || stored.shape[0] !== exits))
    throw new UserError(
      `${where}: costs [${exits}], one per exit, expected, found [${stored.shape}]; give one per exit`,
    );
  return {
    table: { logits: float32(logits.data), labels, count, exits, classes },
    costs: stored ? increasingCosts([...stored.data], `${where}: costs`) : null,
  };
}

/** A table as such a file, without costs. */
export function encodeTableFile({ logits, labels, count, exits, classes }: ExitTable): Uint8Array {
  return encodeSafetensors(
    new Map<string, StoredArray>([
      ["logits", { shape: [count, exits, classes], data: logits }],
      ["labels", { shape: [count], data: Int32Array.from(labels) }],
    ]),
  );
}

/**
 * Costs in any unit, checked. What a user without early exit would pay is then the last one: nobody else knows better.
 *
 * @throws {UserError} if there are not as many as exits
 */
export function costsOf(list: readonly number[], exits: number, where: string): ExitCosts {
  if (list.length !== exits)
    throw new UserError(`${where}: ${exits} costs, one per exit, expected, found ${list.length}; give one per exit`);
  return { exitMacs: list, fullMacs: list.at(-1)! };
}

/** @throws {UserError} unless it is a list of numbers above 0, each larger than the one before */
export function increasingCosts(list: unknown, where: string): number[] {
  const isRising = (value: unknown, k: number, all: unknown[]): boolean =>
    typeof value === "number" && Number.isFinite(value) && value > (k === 0 ? 0 : (all[k - 1] as number));
  if (!Array.isArray(list) || list.length < 2 || !list.every(isRising))
    throw new UserError(
      `${where}: at least 2 numbers above 0, each larger than the one before, expected (what it costs to leave at each exit), ` +
        `found ${JSON.stringify(list)?.slice(0, 80)}; costs count everything up to and including the exit`,
    );
  return list as number[];
}

/** What is read has no other owner: floats need no copy. */
function float32(data: StoredArray["data"]): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

function arrayOf({ arrays, held: all }: TableSource, name: string, expected: string, where: string): StoredArray {
  const found = arrays.get(name);
  if (found) return found;
  const shown =
    all.slice(0, MOST_NAMED).join("; ") + (all.length > MOST_NAMED ? `; and ${all.length - MOST_NAMED} more` : "");
  throw new UserError(`${where}: ${name} ${expected} expected, found ${shown || "nothing"}; write it under that name`);
}

/** Arrays that a message lists. */
const MOST_NAMED = 8;

function labelsOf(source: TableSource, count: number, classes: number, where: string): Uint16Array {
  const stored = arrayOf(source, "labels", `of an integer type [${count}]`, where);
  if (stored.shape.length !== 1 || stored.shape[0] !== count || stored.data instanceof Float32Array)
    throw new UserError(
      `${where}: labels of an integer type [${count}], one per image, expected, found ${describe(stored)}; give one per image`,
    );
  return Uint16Array.from(stored.data, (label, i) => {
    if (Number.isInteger(label) && label >= 0 && label < classes) return label;
    throw new UserError(
      `${where}: labels of 0 to ${classes - 1} expected (logits have ${classes} classes), found ${label} at image ${i}; count from 0`,
    );
  });
}

function describe({ shape, data }: StoredArray): string {
  const type = data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "64 bits";
  return `${type} [${shape}]`;
}

function place(at: number, exits: number, classes: number): string {
  const [image, exit] = [Math.floor(at / (exits * classes)), Math.floor(at / classes) % exits];
  return `at image ${image}, exit ${exit + 1}, class ${at % classes}`;
}
