import { barX, text } from "@observablehq/plot";
import type { Evaluation } from "./data.ts";
import { exitColour } from "./exits.ts";
import { PlotFigure } from "./figure.tsx";
import { Table } from "./table.tsx";
import { costScale, decimal, percent } from "./text.ts";

interface Props {
  readonly evaluation: Evaluation;
}

/** One row per exit: who leaves there, how often they are right, what it costs. */
export function ExitTable({ evaluation: { exits, costUnit = "MACs" } }: Props) {
  const scale = costScale(
    costUnit,
    exits.map(({ costMacs }) => costMacs),
  );
  return (
    <section class="ee-figure ee-wide">
      <h3>Exits</h3>
      <Table
        caption="Exits"
        columns={["exit", "share", "accuracy", "if always", `cost (${scale.heading})`, "mean confidence", "std", "ECE"]}
        rows={exits.map((exit) => [
          String(exit.exit),
          percent(exit.share),
          percent(exit.accuracy),
          percent(exit.accuracyIfAlways),
          scale.text(exit.costMacs),
          decimal(exit.meanConfidence, 3),
          decimal(exit.stdConfidence, 3),
          decimal(exit.ece, 3),
        ])}
      />
      <p class="ee-note">
        Share, accuracy and confidence are of the images that left at an exit; "if always" and ECE are of all images.
      </p>
    </section>
  );
}

/** Where the images leave, and how often they are right there. */
export function ExitSharesFigure({ evaluation: { exits } }: Props) {
  const name = ({ exit }: { exit: number }): string => `exit ${exit}`;
  return (
    <PlotFigure
      title="Where images leave"
      label={`${exits.map((one) => `${name(one)}: ${percent(one.share)} of the images`).join(", ")}.`}
      note="In brackets: how many of those were right."
      options={() => ({
        height: 80 + 48 * exits.length,
        marginLeft: 56,
        marginRight: 112,
        x: { label: "share of images (%)", labelAnchor: "right", percent: true, grid: true, zero: true },
        y: { label: null, domain: exits.map(name) },
        marks: [
          barX(exits, { x: "share", y: name, fill: ({ exit }) => exitColour(exit - 1) }),
          text(exits, {
            x: "share",
            y: name,
            text: ({ share, accuracy }) => `${percent(share)} (${percent(accuracy)})`,
            textAnchor: "start",
            dx: 5,
          }),
        ],
      })}
    />
  );
}
