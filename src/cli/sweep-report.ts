/** What the runs of a sweep say together: per setting and lambda mean, spread, count, and the difference from the best. */
import { type PairedDifference, pairedDifference, type Repeated, repeated } from "../evaluation/repeated.ts";
import { formatCount, formatLambda, formatPercent } from "../report/format.ts";
import type { EachFigure, PointFigures, SettingReport, SweepReport } from "../report/sweep-data.ts";
import { formatTable } from "../report/table.ts";
import type { PlannedRun, Sweep } from "./sweep-plan.ts";
import { type RunResult, readResult } from "./sweep-run.ts";

const FIGURES = [
  "accuracy",
  "costMacs",
  "savings",
  "effectiveness",
  "return",
] as const satisfies readonly (keyof PointFigures)[];
interface Done {
  readonly run: PlannedRun;
  readonly result: RunResult;
}

/** @throws {UserError} if a result is damaged */
export async function sweepReport(sweep: Sweep, runs: readonly PlannedRun[], out: string): Promise<SweepReport> {
  const results = await Promise.all(runs.map(async (run) => ({ run, result: await readResult(out, run.input.key) })));
  const done = results.flatMap(({ run, result }) => (result ? [{ run, result }] : []));
  const lambdas = sweep.lambdas ?? [null];
  const settings = lambdas.flatMap((lambda, at) => atLambda(sweep, done, lambda, at));
  return { by: sweep.by, runs: { done: done.length, of: runs.length }, settings };
}

/** @param at index of the lambda among the points of each run */
function atLambda({ settings, by }: Sweep, done: readonly Done[], lambda: number | null, at: number): SettingReport[] {
  const groups = settings.flatMap((setting) => {
    const own = done.filter(({ run }) => run.setting === setting);
    return own.length === 0 ? [] : [{ setting, own }];
  });
  const rows = groups.map(({ setting, own }) => ({
    own,
    row: {
      setting: setting.name,
      lambda,
      seeds: own.map(({ run }) => run.seed),
      test: summary(own.map(({ result }) => result.points[at]!.test)),
      validation: summary(own.map(({ result }) => result.points[at]!.validation)),
    },
  }));
  const best = rows.reduce<(typeof rows)[number] | null>(
    (found, one) => (found && found.row.validation[by].mean >= one.row.validation[by].mean ? found : one),
    null,
  );
  return rows.map(({ own, row }) => {
    if (best?.own === own) return { ...row, isBest: true };
    const pairs = own.flatMap(({ run, result }) => {
      const other = best!.own.find((one) => one.run.seed === run.seed);
      return other ? [[result.points[at]!.test, other.result.points[at]!.test] as const] : [];
    });
    if (pairs.length === 0) return { ...row, isBest: false };
    const minusBest = each((name) => pairedDifference(pairs.map(([a, b]) => [a[name], b[name]])));
    return { ...row, isBest: false, minusBest };
  });
}

function summary(points: readonly PointFigures[]): EachFigure<Repeated> {
  return each((name) => repeated(points.map((one) => one[name])));
}

function each<T>(of: (name: keyof PointFigures) => T): EachFigure<T> {
  return Object.fromEntries(FIGURES.map((name) => [name, of(name)])) as EachFigure<T>;
}

/** RFC 4180, one line per setting and lambda. */
export function reportCsv({ settings }: SweepReport): string {
  const head = ["setting", "lambda", "n", "best"];
  for (const split of ["test", "validation"])
    for (const name of FIGURES) head.push(`${split}_${name}_mean`, `${split}_${name}_std`);
  for (const name of FIGURES) head.push(`minus_best_${name}`, `minus_best_${name}_low`, `minus_best_${name}_high`);
  const rows = settings.map((one) => {
    const cells: (string | number | null)[] = [one.setting, one.lambda, one.seeds.length, one.isBest ? 1 : 0];
    for (const split of [one.test, one.validation])
      for (const name of FIGURES) cells.push(split[name].mean, split[name].std);
    for (const name of FIGURES) {
      const difference = one.minusBest?.[name];
      cells.push(difference?.value ?? null, ...(difference?.interval ?? [null, null]));
    }
    return cells.map(cell).join(",");
  });
  return `${[head.join(","), ...rows].join("\n")}\n`;
}

function cell(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function sweepText({ settings, runs, by }: SweepReport): string {
  if (settings.length === 0) return `0 of ${runs.of} runs are done`;
  const rows = settings.map((one) => [
    one.setting,
    one.lambda === null ? "own" : formatLambda(one.lambda),
    String(one.seeds.length),
    spread(one.test.accuracy),
    spread(one.test.savings),
    spread(one.validation.accuracy),
    one.validation[by].mean.toFixed(4),
    one.isBest ? "best" : differenceText(one.minusBest?.accuracy),
  ]);
  const columns = ["setting", "lambda", "n", "test accuracy", "savings", "validation", by, "accuracy minus best's"];
  const table = formatTable(
    columns.map((title, i) => (i === 0 ? { title, align: "left" } : { title })),
    rows,
  );
  const open =
    runs.done < runs.of
      ? `; ${formatCount(runs.of - runs.done)} of ${formatCount(runs.of)} runs are still to be done`
      : "";
  return `${table}\nbest by mean ${by} on validation; mean +- standard deviation over seeds, paired 95% intervals${open}`;
}

function spread({ mean, std }: Repeated): string {
  return std === null ? formatPercent(mean) : `${formatPercent(mean)} +- ${(100 * std).toFixed(1)}`;
}

function differenceText(difference: PairedDifference | undefined): string {
  if (!difference) return "-";
  const points = (value: number): string => `${value < 0 ? "" : "+"}${(100 * value).toFixed(1)}`;
  const { value, interval } = difference;
  return interval ? `${points(value)} [${points(interval[0])}, ${points(interval[1])}]` : points(value);
}
