/** Exit tables and policies that come without a network: what `learn --table` and `evaluate --table` read. */
import { basename } from "node:path";
import { UserError } from "../errors.ts";
import type { TableEvaluation } from "../evaluation/evaluate-table.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { decodeTable, TABLE_ARRAYS, type TableFile } from "../exits/table-file.ts";
import { readSafetensorsFile } from "../files/safetensors-file.ts";
import type { TablePolicy } from "../model/model.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";

export async function readTableFile(path: string): Promise<TableFile & { dataset: TablePolicy["dataset"] }> {
  const { sha256, ...source } = await readSafetensorsFile(path, TABLE_ARRAYS);
  return { ...decodeTable(source, path), dataset: { name: basename(path), sha256 } };
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
