import { cell, text } from "@observablehq/plot";
import type { Confusion } from "../../src/index.ts";
import { short } from "./classes.tsx";
import type { Evaluation } from "./data.ts";
import { Figure, PlotFigure } from "./figure.tsx";
import { Table } from "./table.tsx";
import { count, percent } from "./text.ts";

/** With more classes than this a matrix cannot be read: the table alone. */
const MOST_CLASSES = 24;
const MOST_ROWS = 100;

interface ConfusionProps {
  readonly confusions: readonly Confusion[];
  readonly evaluation: Evaluation;
}

/** What is taken for what: a row for each class, a column for each answer. */
export function ConfusionMatrix({ confusions, evaluation: { classes } }: ConfusionProps) {
  const wrong = confusions.filter(({ label, answer }) => label !== answer).toSorted((a, b) => b.images - a.images);
  const table = {
    columns: ["is", "answered", "images", "of the class"],
    rows: wrong
      .slice(0, MOST_ROWS)
      .map(({ label, answer, images }) => [
        classes[label]!.name,
        classes[answer]!.name,
        count(images),
        percent(images / classes[label]!.samples),
      ]),
  };
  const title = "What is taken for what";
  const note = wrong.length > MOST_ROWS ? ` The table holds the ${MOST_ROWS} largest of ${wrong.length}.` : "";
  if (classes.length > MOST_CLASSES)
    return (
      <Figure title={title} note={`Wrong answers, the most frequent first.${note}`}>
        <Table {...table} caption={title} />
      </Figure>
    );
  const [worst] = wrong;
  const cells = confusions.map((one) => ({ ...one, share: one.images / classes[one.label]!.samples }));
  const name = (index: number): string => short(classes[index]!.name);
  return (
    <PlotFigure
      title={title}
      label={
        worst
          ? `Most often, ${classes[worst.label]!.name} is taken for ${classes[worst.answer]!.name}: ${count(worst.images)} images.`
          : "Every answer is right."
      }
      note={`Images by their class (rows) and answer (columns), in percent of the class; right answers on the diagonal.${note}`}
      table={table}
      options={(width) => ({
        height: 130 + 26 * classes.length,
        marginLeft: 100,
        marginTop: 110,
        marginBottom: 6,
        padding: 0.03,
        x: {
          label: "answer",
          axis: "top",
          domain: classes.map((_, i) => i),
          tickFormat: name,
          tickRotate: -60,
        },
        y: { label: null, domain: classes.map((_, i) => i), tickFormat: name },
        opacity: { domain: [0, 1], range: [0.04, 0.75] },
        marks: [
          cell(cells, {
            x: "answer",
            y: "label",
            fill: ({ label, answer }: Confusion) => (label === answer ? "var(--ee-heat)" : "var(--ee-wrong)"),
            fillOpacity: "share",
          }),
          text(cells, {
            x: "answer",
            y: "label",
            text: ({ share }) => (100 * share).toFixed(0),
            fill: "var(--ee-ink)",
            fontSize: width < 28 * classes.length ? 9 : 12,
          }),
        ],
      })}
    />
  );
}
