import { dot, lineY, ruleX } from "@observablehq/plot";
import type { CutProbe } from "../../src/report/report-data.ts";
import { PlotFigure } from "./figure.tsx";
import { Panels } from "./guard.tsx";
import { percent } from "./text.ts";

/** How much of the answer is known at each cut of an imported network, and where exits were put. */
export function ProbesPanel({ probes }: { readonly probes: readonly CutProbe[] }) {
  return (
    <Panels>
      <ProbesFigure probes={probes} />
    </Panels>
  );
}

function ProbesFigure({ probes }: { readonly probes: readonly CutProbe[] }) {
  const chosen = probes.filter((one) => one.chosen);
  const at = { x: "share", y: "accuracy" } as const;
  return (
    <PlotFigure
      wide
      title="What a linear probe knows at each cut"
      label={`Exits were put at ${chosen.map(({ share, accuracy }) => `${percent(share)} of the network (probe ${percent(accuracy)})`).join(", ")}.`}
      note="A point is a tensor at which the network can be cut. A head at the same place learns from more pictures and is right more often."
      legend={[
        { name: "cut", colour: "var(--ee-faint)", shape: "point" },
        { name: "an exit is there", colour: "var(--ee-accent)", shape: "point" },
      ]}
      table={{
        columns: ["cut", "share of the MACs", "accuracy", "exit"],
        rows: probes.map(({ cut, share, accuracy, chosen }) => [
          cut,
          percent(share),
          percent(accuracy),
          chosen ? "yes" : "",
        ]),
      }}
      options={() => ({
        x: {
          label: "share of the network's MACs (%)",
          labelAnchor: "right",
          percent: true,
          domain: [0, 100],
          grid: true,
        },
        y: { label: "accuracy (%)", percent: true, grid: true },
        marks: [
          ruleX(chosen, { x: "share", stroke: "var(--ee-accent)", strokeOpacity: 0.4 }),
          lineY(probes, { ...at, stroke: "var(--ee-faint)", strokeWidth: 1.5 }),
          dot(probes, { ...at, r: 3, fill: "var(--ee-faint)", title: ({ cut }: CutProbe) => cut, tip: true }),
          dot(chosen, { ...at, r: 5, fill: "var(--ee-accent)" }),
        ],
      })}
    />
  );
}
