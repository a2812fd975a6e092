/** How several runs came about, over each other: the training of each network, the learning of each agent. */
import { dot, lineY, type Markish, type PlotOptions } from "@observablehq/plot";
import { groups, learnLines, mean, type RunLine, trainLines } from "./data.ts";
import { runStyle } from "./exits.ts";
import { PlotFigure } from "./figure.tsx";
import { percent, thousands } from "./text.ts";

export interface NamedLines {
  readonly name: string;
  /** Of its `metrics.jsonl`. */
  readonly lines: readonly RunLine[];
}

/** Points of a line: more cannot be told apart. */
const MAX_POINTS = 120;

interface Series {
  readonly name: string;
  readonly points: readonly { readonly at: number; readonly value: number }[];
}

/** A run looks the same in every figure, whatever it has to show there. Runs without lines of a kind are left out of its figure. */
export function ComparedTraining({ runs }: { readonly runs: readonly NamedLines[] }) {
  const styles = new Map(runs.map(({ name }, i) => [name, runStyle(i)]));
  const of = (points: (lines: readonly RunLine[]) => Series["points"]): Series[] =>
    runs.map(({ name, lines }) => ({ name, points: points(lines) })).filter((one) => one.points.length > 0);
  return (
    <>
      <SeriesFigure
        title="Loss of the runs"
        note="On training batches, means over neighbouring steps. Recipes that mix pictures or smooth labels have a higher loss and are not worse for it."
        series={of(lossOf)}
        styles={styles}
        said={(value) => value.toFixed(3)}
        x="epochs"
        y={{ label: "loss (nats)", zero: true }}
      />
      <SeriesFigure
        title="Validation accuracy of the runs"
        note="Of the last exit, at each look at the validation images."
        series={of(accuracyOf)}
        styles={styles}
        said={(value) => percent(value)}
        x="epochs"
        y={{ label: "accuracy (%)", percent: true, insetTop: 8, insetBottom: 8 }}
        hasDots
      />
      <SeriesFigure
        title="Return of the agents"
        note="Of the best weights so far: accuracy minus lambda times the share of the full cost, mean over lambdas. Agents of different networks learn from different exits."
        series={of(returnOf)}
        styles={styles}
        said={(value) => value.toFixed(4)}
        x="gradient steps"
        y={{ label: "return (correct answers per image)" }}
      />
    </>
  );
}

function lossOf(lines: readonly RunLine[]): Series["points"] {
  return groups(trainLines(lines), MAX_POINTS).map((group) => ({
    at: group.at(-1)!.epoch,
    value: mean(group.map(({ loss }) => loss)),
  }));
}

function accuracyOf(lines: readonly RunLine[]): Series["points"] {
  return trainLines(lines).flatMap(({ epoch, validationAccuracy }) => {
    const last = validationAccuracy?.at(-1);
    return last === undefined ? [] : { at: epoch, value: last };
  });
}

function returnOf(lines: readonly RunLine[]): Series["points"] {
  return groups(learnLines(lines), MAX_POINTS).map((group) => ({ at: group.at(-1)!.step, value: group.at(-1)!.best }));
}

interface SeriesFigureProps {
  readonly title: string;
  readonly note: string;
  readonly series: readonly Series[];
  readonly styles: ReadonlyMap<string, ReturnType<typeof runStyle>>;
  readonly said: (value: number) => string;
  readonly x: "epochs" | "gradient steps";
  readonly y: NonNullable<PlotOptions["y"]>;
  /** Each point is a look of its own. */
  readonly hasDots?: boolean;
}

function SeriesFigure({ title, note, series, styles, said, x, y, hasDots = false }: SeriesFigureProps) {
  if (series.length === 0) return null;
  const places = { x: "at", y: "value" } as const;
  const at = (points: Series["points"]): string => String(Number(points.at(-1)!.at.toFixed(1)));
  const marks = ({ name, points }: Series): Markish[] => {
    const { colour, dash } = styles.get(name)!;
    const line = lineY(points, { ...places, stroke: colour, strokeWidth: 2, strokeDasharray: dash, tip: !hasDots });
    return hasDots || points.length === 1 ? [line, dot(points, { ...places, fill: colour, r: 3, tip: true })] : [line];
  };
  return (
    <PlotFigure
      title={title}
      label={`${series.map(({ name, points }) => `${name}: ${said(points.at(-1)!.value)} after ${at(points)} ${x}`).join("; ")}.`}
      note={note}
      legend={series.map(({ name }) => ({ name, ...styles.get(name)!, shape: "line" as const }))}
      table={{
        columns: ["run", x, "first", "lastly"],
        rows: series.map(({ name, points }) => [name, at(points), said(points[0]!.value), said(points.at(-1)!.value)]),
      }}
      options={(width) => ({
        x: {
          label: x,
          labelAnchor: "right",
          zero: true,
          tickFormat: thousands,
          ticks: Math.max(3, Math.floor(width / 80)),
        },
        y: { grid: true, ...y },
        marks: series.flatMap(marks),
      })}
    />
  );
}
