/** Several runs over each other: how they learned, what accuracy costs in each, their figures and where they were made side by side. */
import { dot, lineY, type Markish, text } from "@observablehq/plot";
import type { CurvesData } from "../../src/report/report-data.ts";
import { ComparedTraining, type NamedLines } from "./compared-training.tsx";
import type { Evaluation } from "./data.ts";
import { runStyle } from "./exits.ts";
import { PlotFigure } from "./figure.tsx";
import { Panels } from "./guard.tsx";
import { Origins, type RunOrigin } from "./origins.tsx";
import { Table } from "./table.tsx";
import { cost, costScale, decimal, number, percent } from "./text.ts";

interface NamedEvaluation {
  readonly name: string;
  readonly evaluation: Evaluation;
}

export interface ComparedRun extends NamedLines {
  /** null: not evaluated yet */
  readonly evaluation: Evaluation | null;
  readonly origins: readonly RunOrigin[];
}

/** What decides in a run, over all lambdas, and the point that it was evaluated at. */
export type RunCurve = CurvesData["runs"][number];

interface ComparedRunsProps {
  /** At least one. Colours repeat after eight. */
  readonly runs: readonly ComparedRun[];
}

export function ComparedRuns({ runs }: ComparedRunsProps) {
  const evaluated = runs.flatMap(({ name, evaluation }) => (evaluation ? { name, evaluation } : []));
  const units = new Set(evaluated.map(({ evaluation }) => evaluation.costUnit ?? "MACs"));
  return (
    <Panels>
      {units.size === 1 && <RunCurves runs={runs.map(curveOf)} unit={[...units][0]!} />}
      {evaluated.length > 0 && (
        <div class="ee-figure ee-wide">
          <h3>Side by side</h3>
          <Table caption="The runs side by side" {...sideBySide(evaluated)} />
        </div>
      )}
      <ComparedTraining runs={runs} />
      {runs.some(({ origins }) => origins.length > 0) && (
        <div class="ee-figure ee-wide">
          <h3>How they were made</h3>
          {runs.map(({ name, origins }) => (
            <section key={name} aria-label={`How ${name} was made`}>
              <h4>{name}</h4>
              <Origins origins={origins} />
            </section>
          ))}
        </div>
      )}
    </Panels>
  );
}

/** A run that is not evaluated has no line, and keeps its place among the colours. */
function curveOf({ name, evaluation }: ComparedRun): RunCurve | null {
  if (!evaluation) return null;
  const curve = evaluation.curves?.find((one) => one.name === evaluation.policy.name);
  const chosen = { accuracy: evaluation.accuracy, costMacs: evaluation.costMacs.mean };
  return { name, points: curve?.points ?? [], chosen };
}

interface RunCurvesProps {
  /** At least one that is not null. Colours repeat after eight. */
  readonly runs: readonly (RunCurve | null)[];
  /** What costs count. */
  readonly unit: string;
}

/** Accuracy over cost of several runs, over each other. */
export function RunCurves({ runs, unit }: RunCurvesProps) {
  const drawn = runs.flatMap((run, i) => (run ? { ...run, ...runStyle(i) } : []));
  const scale = costScale(
    unit,
    drawn.flatMap(({ points, chosen }) => [...points, chosen].map(({ costMacs }) => costMacs)),
  );
  const at = { x: "costMacs", y: "accuracy" } as const;
  const marks = ({ name, colour, dash, points, chosen }: (typeof drawn)[number]): Markish[] => [
    lineY(points, { ...at, stroke: colour, strokeWidth: 2.5, strokeDasharray: dash }),
    dot([chosen], { ...at, r: 6, fill: colour, stroke: "var(--ee-ink)" }),
    text([chosen], {
      ...at,
      text: () => name,
      dy: -14,
      fill: "var(--ee-ink)",
      stroke: "var(--ee-card)",
      strokeWidth: 4,
    }),
  ];
  return (
    <PlotFigure
      title="Accuracy and cost of the runs"
      wide
      label={drawn
        .map(({ name, chosen }) => `${name}: ${percent(chosen.accuracy)} at ${cost(chosen.costMacs, unit)}`)
        .join("; ")}
      note="One line per run, over all lambdas of what decides in it; the dot is the lambda that it was evaluated at. Up and to the left is better."
      legend={drawn.map(({ name, colour, dash }) => ({ name, colour, dash, shape: "line" as const }))}
      table={{
        columns: ["run", "lambda", "accuracy", `cost (${scale.heading})`],
        rows: drawn.flatMap(({ name, points }) =>
          points.map(({ lambda, accuracy, costMacs }) => [
            name,
            number(lambda),
            percent(accuracy, 2),
            scale.text(costMacs),
          ]),
        ),
      }}
      options={(width) => ({
        height: Math.max(280, Math.min(480, width * 0.5)),
        marginRight: 40,
        x: {
          label: `mean cost per image (${scale.heading})`,
          labelAnchor: "right",
          grid: true,
          zero: true,
          tickFormat: (value: number) => scale.short(value),
          ticks: Math.max(3, Math.floor(width / 90)),
        },
        y: { label: "accuracy (%)", percent: true, grid: true, insetTop: 20, insetBottom: 12 },
        marks: drawn.flatMap(marks),
      })}
    />
  );
}

function sideBySide(runs: readonly NamedEvaluation[]) {
  const row = (name: string, value: (one: Evaluation) => string): string[] => [
    name,
    ...runs.map(({ evaluation }) => value(evaluation)),
  ];
  return {
    columns: ["", ...runs.map(({ name }) => name)],
    rows: [
      row("accuracy", ({ accuracy }) => percent(accuracy, 2)),
      row("savings", ({ savings }) => percent(savings)),
      row("mean cost", ({ costMacs, costUnit = "MACs" }) => cost(costMacs.mean, costUnit)),
      row("full network", ({ costMacs, costUnit = "MACs" }) => cost(costMacs.full, costUnit)),
      row("effectiveness", ({ effectiveness }) => decimal(effectiveness, 2)),
      row("decided by", ({ policy }) => policy.name),
      row("lambda", ({ policy }) => number(policy.lambda)),
      row("leave at each exit", ({ exits }) => exits.map(({ share }) => percent(share, 0)).join(" / ")),
      row("data", ({ dataset, samples }) => `${dataset.name}, ${dataset.split}, ${samples}`),
      row("seed", ({ seed }) => String(seed)),
    ],
  };
}
