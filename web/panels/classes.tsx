import { cell, text } from "@observablehq/plot";
import type { Evaluation } from "./data.ts";
import { PlotFigure } from "./figure.tsx";
import { count, percent, percentInterval } from "./text.ts";

/** With more classes than this, those in the middle are left to the table. */
const MOST_CLASSES = 30;
const AT_EACH_END = 12;

/** The share of each class that leaves at each exit, classes from easy (leaves early) to hard. */
export function ClassHeatMap({ evaluation: { classes, exits } }: { readonly evaluation: Evaluation }) {
  const seen = classes.flatMap(({ exitShares, ...one }) => (exitShares ? { ...one, exitShares } : []));
  const sorted = seen.toSorted((a, b) => meanExit(a.exitShares) - meanExit(b.exitShares));
  const isLong = sorted.length > MOST_CLASSES;
  const shown = isLong ? [...sorted.slice(0, AT_EACH_END), ...sorted.slice(-AT_EACH_END)] : sorted;
  const cells = shown.flatMap(({ exitShares }, row) =>
    exitShares.map((share, exit) => ({ row, exit: `exit ${exit + 1}`, share })),
  );
  const [easiest, hardest] = [sorted[0], sorted.at(-1)];
  if (!easiest || !hardest) return null;
  const note =
    "Classes from those that leave early to those that travel far; the stronger the colour, the larger the share.";
  return (
    <PlotFigure
      title="Classes by exit"
      label={`${easiest.name} leaves earliest, ${hardest.name} latest; all shares are in the table.`}
      note={isLong ? `${note} The ${AT_EACH_END} at each end of ${sorted.length} classes; the table holds all.` : note}
      table={{
        columns: ["class", "images", "accuracy", "95% interval", ...exits.map(({ exit }) => `left at exit ${exit}`)],
        rows: sorted.map((one) => [
          one.name,
          count(one.samples),
          percent(one.accuracy),
          percentInterval(one.accuracyInterval),
          ...one.exitShares.map((share) => percent(share)),
        ]),
      }}
      options={() => ({
        height: 56 + 26 * shown.length,
        marginLeft: 100,
        marginTop: 36,
        marginBottom: 6,
        padding: 0.03,
        x: { label: "share of the class's images (%)", axis: "top", domain: exits.map(({ exit }) => `exit ${exit}`) },
        y: { label: null, domain: [...shown.keys()], tickFormat: (row: number) => short(shown[row]!.name) },
        opacity: { domain: [0, Math.max(...cells.map(({ share }) => share))], range: [0.04, 0.75] },
        marks: [
          cell(cells, { x: "exit", y: "row", fill: "var(--ee-heat)", fillOpacity: "share" }),
          text(cells, { x: "exit", y: "row", text: ({ share }) => (100 * share).toFixed(0), fill: "var(--ee-ink)" }),
        ],
      })}
    />
  );
}

function meanExit(shares: readonly number[]): number {
  return shares.reduce((sum, share, exit) => sum + share * exit, 0);
}

/** A class's name where there is little room. */
export function short(name: string): string {
  return name.length > 14 ? `${name.slice(0, 13)}…` : name;
}
