import { areaY, dot, lineY, ruleY, stackY } from "@observablehq/plot";
import { type LearnLine, learnLines, type RunLine } from "./data.ts";
import { exitColour, exitLegend } from "./exits.ts";
import { Facts } from "./facts.tsx";
import { PlotFigure } from "./figure.tsx";
import { Panels } from "./guard.tsx";
import { percent, thousands } from "./text.ts";

interface AgentPanelsProps {
  /** Of a run's `metrics.jsonl`; those of other kinds are passed over. */
  readonly lines: readonly RunLine[];
}

/** The agent's learning: return, distance to optimal stopping, epsilon, exit shares. */
export function AgentPanels({ lines }: AgentPanelsProps) {
  const all = learnLines(lines);
  const last = all.at(-1);
  if (!last) return <p class="ee-empty">The agent has not begun to learn yet.</p>;
  const gap =
    last.optimal === undefined ? [] : [["behind optimal stopping", signed(last.optimal - last.best)] as const];
  return (
    <Panels>
      <Facts
        facts={[
          ["step", `${last.step} of ${last.steps}`],
          ["return", last.return.toFixed(4)],
          ["best so far", last.best.toFixed(4)],
          ...gap,
          ["epsilon", last.epsilon.toFixed(2)],
        ]}
      />
      <ReturnFigure lines={all} />
      <GapFigure lines={all} />
      <SharesFigure lines={all} />
      <EpsilonFigure lines={all} />
    </Panels>
  );
}

const stepsOf = ({ steps }: LearnLine) =>
  ({ label: "gradient steps", labelAnchor: "right", domain: [0, steps], tickFormat: thousands }) as const;

function ReturnFigure({ lines }: { readonly lines: readonly LearnLine[] }) {
  const last = lines.at(-1)!;
  const { optimal } = last;
  return (
    <PlotFigure
      title="Return"
      label={`${lines[0]!.return.toFixed(3)} at first, best ${last.best.toFixed(4)}${optimal === undefined ? "" : `; optimal stopping reaches ${optimal.toFixed(4)}`}.`}
      note="Accuracy minus lambda times the share of the full cost, mean over lambdas, on images that the agent was not fitted to."
      legend={[
        { name: "return", colour: "var(--ee-accent)" },
        { name: "best so far", colour: "var(--ee-ink)", dash: "2 3" },
        ...(optimal === undefined ? [] : [{ name: "optimal stopping", colour: "var(--ee-exit-3)", dash: "7 3" }]),
      ]}
      options={() => ({
        x: stepsOf(last),
        y: { label: "return (correct answers per image)", grid: true },
        marks: [
          ...(optimal === undefined
            ? []
            : [ruleY([optimal], { stroke: "var(--ee-exit-3)", strokeWidth: 2, strokeDasharray: "7 3" })]),
          lineY(lines, { x: "step", y: "best", stroke: "var(--ee-ink)", strokeDasharray: "2 3", curve: "step-after" }),
          lineY(lines, { x: "step", y: "return", stroke: "var(--ee-accent)", strokeWidth: 2.5, tip: true }),
        ],
      })}
    />
  );
}

function GapFigure({ lines }: { readonly lines: readonly LearnLine[] }) {
  const gaps = lines.flatMap(({ step, best, optimal }) => (optimal === undefined ? [] : { step, gap: optimal - best }));
  const last = gaps.at(-1);
  if (!last) return null;
  const usual = gaps.map(({ gap }) => Math.abs(gap)).sort((a, b) => a - b)[Math.floor(gaps.length / 2)]!;
  const highest = Math.min(Math.max(...gaps.map(({ gap }) => gap), 0), Math.max(10 * usual, 0.002));
  const lowest = Math.min(...gaps.map(({ gap }) => gap), 0);
  return (
    <PlotFigure
      title="Distance to optimal stopping"
      label={`The best weights so far are ${signed(last.gap)} behind optimal stopping.`}
      note="Return of optimal stopping minus the agent's best one, on the same images; far larger distances at the beginning are cut off. Optimal stopping is an estimate: the agent may be ahead of it, below zero."
      options={() => ({
        x: stepsOf(lines.at(-1)!),
        y: { label: "distance (correct answers per image)", grid: true, domain: [lowest, highest], nice: true },
        marks: [
          ruleY([0], { stroke: "var(--ee-exit-3)", strokeWidth: 2, strokeDasharray: "7 3" }),
          lineY(gaps, { x: "step", y: "gap", stroke: "var(--ee-accent)", strokeWidth: 2.5, clip: true, tip: true }),
          dot([last], { x: "step", y: "gap", fill: "var(--ee-accent)", r: 4 }),
        ],
      })}
    />
  );
}

function SharesFigure({ lines }: { readonly lines: readonly LearnLine[] }) {
  const last = lines.at(-1)!;
  const shares = lines.flatMap(({ step, exitShares }) => exitShares.map((share, exit) => ({ step, share, exit })));
  return (
    <PlotFigure
      title="Exit shares"
      label={`Lastly ${last.exitShares.map((share, exit) => `exit ${exit + 1} ${percent(share)}`).join(", ")}.`}
      note="Where the images leave, mean over lambdas, exit 1 at the bottom."
      legend={exitLegend(last.exitShares.length, "area")}
      options={() => ({
        x: stepsOf(last),
        y: { label: "share of images (%)", percent: true, grid: true },
        marks: [
          areaY(
            shares,
            stackY({
              x: "step",
              y: "share",
              z: "exit",
              fill: ({ exit }) => exitColour(exit),
              order: "exit",
              stroke: "var(--ee-paper)",
            }),
          ),
        ],
      })}
    />
  );
}

function EpsilonFigure({ lines }: { readonly lines: readonly LearnLine[] }) {
  return (
    <PlotFigure
      title="Epsilon"
      label={`Share of random actions while exploring: ${percent(lines[0]!.epsilon)} at first, lastly ${percent(lines.at(-1)!.epsilon)}.`}
      note="Share of random actions while learning. Deciding has none."
      options={() => ({
        x: stepsOf(lines.at(-1)!),
        y: { label: "epsilon (%)", percent: true, domain: [0, 100], grid: true },
        height: 220,
        marks: [lineY(lines, { x: "step", y: "epsilon", stroke: "var(--ee-accent)", strokeWidth: 2, tip: true })],
      })}
    />
  );
}

/** "0.0021", or "-0.0007" where the agent is ahead. */
function signed(gap: number): string {
  return gap.toFixed(4).replace("-0.0000", "0.0000");
}
