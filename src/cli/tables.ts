/** Exit tables and policies that come without a network: what `learn --table` and `evaluate --table` read. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import type { TableEvaluation } from "../evaluation/evaluate-table.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { decodeTableFile, type TableFile } from "../exits/table-file.ts";
import { readTablePolicy, type TablePolicy } from "../model/model.ts";
import { readFileIfThere } from "../model/model-folder.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";

/** The policy in a policy folder. */
export function loadPolicy(folder: string): Promise<TablePolicy> {
  return readTablePolicy((file) => readFileIfThere(join(folder, file)), folder);
}

export async function readTableFile(path: string): Promise<TableFile & { dataset: TablePolicy["dataset"] }> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new UserError(`${path}: an exit table expected, found none that can be read; check the path`, { cause });
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { ...decodeTableFile(bytes, path), dataset: { name: basename(path), sha256 } };
}

/** @throws {UserError} unless it fits the table that is learned from */
export async function readTestTable(
  path: string,
  { table, costs }: { table: Pick<ExitTable, "exits" | "classes">; costs: TableFile["costs"] },
) {
  const test = await readTableFile(path);
  const shape = ({ exits, classes }: Pick<ExitTable, "exits" | "classes">): string =>
    `${exits} exits and ${classes} classes`;
  if (shape(test.table) !== shape(table))
    throw new UserError(
      `${path}: ${shape(table)} expected, as in the table, found ${shape(test.table)}; give images of the same network`,
    );
  if (costs && test.costs && costs.join() !== test.costs.join())
    throw new UserError(
      `${path}: costs ${costs.join(", ")} expected, as in the table, found ${test.costs.join(", ")}; leave them out or write the same`,
    );
  return test;
}

/** What is to be judged: the images of a test table, whose classes have numbers for names. */
export function testOf(
  policy: LearnedPolicy,
  { table, dataset }: { table: ExitTable; dataset: TablePolicy["dataset"] },
  splitSeed: number,
): Pick<TableEvaluation, "policy" | "table" | "classes" | "dataset" | "splitSeed"> {
  const classes = Array.from({ length: table.classes }, (_, k) => String(k));
  return { policy, table, classes, dataset: { ...dataset, split: "test" }, splitSeed };
}
