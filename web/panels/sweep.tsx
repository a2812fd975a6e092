/** What settings of a sweep differ in, over their seeds: what each costs, by what the best is chosen, how far the others are from it. */
import { dot, lineY, type Markish, ruleX, ruleY } from "@observablehq/plot";
import type { Ranking, SettingReport, SweepReport } from "../../src/report/sweep-data.ts";
import { exitStyle } from "./exits.ts";
import { PlotFigure } from "./figure.tsx";
import { Panels } from "./guard.tsx";
import { costScale, number, percent } from "./text.ts";

/** Draws nothing where no run is done. */
export function SweepPanels({ report: { settings, by } }: { readonly report: SweepReport }) {
  const lambdas = [...new Set(settings.map(({ lambda }) => lambda))];
  return (
    <Panels>
      {settings.length > 0 && <CostFigure settings={settings} />}
      {lambdas.map((lambda) => {
        const own = settings.filter((one) => one.lambda === lambda);
        const at = lambda === null ? "" : ` at lambda ${number(lambda)}`;
        return (
          <>
            <ChoiceFigure settings={own} by={by} at={at} />
            {own.some(({ minusBest }) => minusBest) && <DifferenceFigure settings={own} by={by} at={at} />}
          </>
        );
      })}
    </Panels>
  );
}

interface SettingsProps {
  readonly settings: readonly SettingReport[];
}

/** Of a standard deviation to both sides; nothing where there is one run. */
const around = ({ mean, std }: { mean: number; std: number | null }) => ({
  low: mean - (std ?? 0),
  high: mean + (std ?? 0),
});

function CostFigure({ settings }: SettingsProps) {
  const names = [...new Set(settings.map(({ setting }) => setting))];
  const points = settings.map(({ setting, lambda, seeds, test: { accuracy, costMacs } }) => {
    const [ofAccuracy, ofCost] = [around(accuracy), around(costMacs)];
    return {
      setting,
      lambda,
      n: seeds.length,
      accuracy: accuracy.mean,
      accuracyLow: ofAccuracy.low,
      accuracyHigh: ofAccuracy.high,
      costMacs: costMacs.mean,
      costMacsLow: ofCost.low,
      costMacsHigh: ofCost.high,
    };
  });
  const scale = costScale(
    "MACs",
    points.map(({ costMacsHigh }) => costMacsHigh),
  );
  const at = { x: "costMacs", y: "accuracy" } as const;
  const marks = names.flatMap((name, i): Markish[] => {
    const { stroke, strokeDasharray, symbol } = exitStyle(i);
    const own = points.filter(({ setting }) => setting === name);
    return [
      lineY(own, { ...at, stroke, strokeDasharray, strokeWidth: 1.5 }),
      ruleX(own, { x: "costMacs", y1: "accuracyLow", y2: "accuracyHigh", stroke, strokeOpacity: 0.6 }),
      ruleY(own, { y: "accuracy", x1: "costMacsLow", x2: "costMacsHigh", stroke, strokeOpacity: 0.6 }),
      dot(own, { ...at, r: 4.5, fill: stroke, symbol }),
    ];
  });
  return (
    <PlotFigure
      wide
      title="Accuracy and cost of the settings"
      label={points.map(({ setting, accuracy }) => `${setting}: ${percent(accuracy)}`).join("; ")}
      note="On the test split. A point is the mean over seeds, its arms are one standard deviation; a line joins the lambdas of a setting."
      legend={names.map((name, i) => {
        const { stroke: colour, strokeDasharray: dash } = exitStyle(i);
        return { name, colour, dash, shape: "line" as const };
      })}
      options={(width) => ({
        height: 380,
        marginRight: 24,
        x: {
          label: `mean cost per image (${scale.heading})`,
          labelAnchor: "right",
          grid: true,
          tickFormat: (value: number) => scale.short(value),
          ticks: Math.max(3, Math.floor(width / 90)),
        },
        y: { label: "accuracy (%)", percent: true, grid: true },
        marks,
      })}
    />
  );
}

interface RankedProps extends SettingsProps {
  readonly by: Ranking;
  /** Of the title. */
  readonly at: string;
}

function ChoiceFigure({ settings, by, at }: RankedProps) {
  const rows = settings.map(({ setting, seeds, validation, isBest }) => {
    const { low, high } = around(validation[by]);
    return { setting, n: seeds.length, isBest, mean: validation[by].mean, low, high };
  });
  const fill = ({ isBest }: { isBest: boolean }): string => (isBest ? "var(--ee-accent)" : "var(--ee-faint)");
  return (
    <PlotFigure
      wide
      title={`${capital(by)} on validation${at}`}
      label={`The best is ${rows.find(({ isBest }) => isBest)!.setting}.`}
      note="By this the best is chosen. Mean over seeds; the line is one standard deviation to both sides."
      legend={[
        { name: "the best", colour: "var(--ee-accent)", shape: "point" },
        { name: "others", colour: "var(--ee-faint)", shape: "point" },
      ]}
      options={() => ({
        ...rowsOf(rows),
        x: { label: unitOf(by), labelAnchor: "right", grid: true, inset: 8, ...percentOf(by) },
        marks: [
          ruleY(rows, { y: "setting", x1: "low", x2: "high", stroke: fill, strokeWidth: 2.5 }),
          dot(rows, { x: "mean", y: "setting", r: 5.5, fill }),
        ],
      })}
    />
  );
}

function DifferenceFigure({ settings, by, at }: RankedProps) {
  const rows = settings.flatMap(({ setting, minusBest }) => {
    if (!minusBest) return [];
    const { value, interval, n } = minusBest[by];
    return { setting, n, value, low: interval?.[0] ?? value, high: interval?.[1] ?? value };
  });
  const best = settings.find(({ isBest }) => isBest)!.setting;
  return (
    <PlotFigure
      wide
      title={`${capital(by)}, difference from the best${at}`}
      label={`The best is ${best}.`}
      note={`On the test split, over the seeds that both have. The best on validation is ${best}; lines are Student's paired 95% intervals.`}
      legend={[{ name: `minus ${best}, paired 95% interval`, colour: "var(--ee-accent)", shape: "line" }]}
      options={() => ({
        ...rowsOf(rows),
        x: {
          label: isShare(by) ? "difference (points)" : "difference",
          labelAnchor: "right",
          grid: true,
          inset: 8,
          ...percentOf(by),
        },
        marks: [
          ruleX([0], { stroke: "var(--ee-ink)" }),
          ruleY(rows, { y: "setting", x1: "low", x2: "high", stroke: "var(--ee-accent)", strokeWidth: 2.5 }),
          dot(rows, { x: "value", y: "setting", r: 5, fill: "var(--ee-accent)" }),
        ],
      })}
    />
  );
}

/** A row for each setting, in their order, its name at the left. */
function rowsOf(rows: readonly { readonly setting: string }[]) {
  const longest = Math.max(...rows.map(({ setting }) => setting.length));
  const marginLeft = Math.min(330, 24 + 6.6 * longest);
  return {
    height: 80 + 26 * rows.length,
    marginLeft,
    marginRight: 24,
    y: { label: null, domain: rows.map(({ setting }) => setting), tickFormat: clipped, type: "band" as const },
  };
}

const clipped = (name: string): string => (name.length > 46 ? `${name.slice(0, 45)}…` : name);
const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
const isShare = (by: Ranking): boolean => by === "accuracy" || by === "savings";
const unitOf = (by: Ranking): string => (isShare(by) ? `${by} (%)` : by);
const percentOf = (by: Ranking) => (isShare(by) ? { percent: true } : {});
