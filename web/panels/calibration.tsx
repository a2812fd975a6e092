import { dot, lineY, link, rectY, ruleY } from "@observablehq/plot";
import type { Evaluation } from "./data.ts";
import { Figure, Plot } from "./figure.tsx";
import { count, decimal, percent, thousands } from "./text.ts";

type Calibration = NonNullable<Evaluation["calibration"]>;
type Bin = Calibration[number]["bins"][number];

interface Props {
  readonly calibration: Calibration;
  readonly evaluation: Evaluation;
}

const RIGHT = "var(--ee-right)";
const WRONG = "var(--ee-wrong)";
const SMALL = { height: 210, marginLeft: 42, marginRight: 12, marginBottom: 38 } as const;
const CONFIDENCE = { label: "confidence", labelAnchor: "right", domain: [0, 1], ticks: 4 } as const;

/** How sure each exit is of all images, right and wrong ones apart, and which of them left there. */
export function ConfidenceFigure({ calibration, evaluation: { exits } }: Props) {
  const rows = calibration.flatMap(({ exit, bins }) =>
    bins
      .filter(({ images }) => images > 0)
      .map((bin) => [
        `exit ${exit}, ${range(bin)}`,
        count(bin.images),
        count(bin.right),
        count(bin.left),
        decimal(bin.meanConfidence, 3),
        percent(bin.right / bin.images),
      ]),
  );
  return (
    <Figure
      wide
      title="Confidence at each exit"
      note="All images at each exit, by the confidence of its answer. The outline: those that left there."
      legend={[
        { name: "right", colour: RIGHT, shape: "area" },
        { name: "wrong", colour: WRONG, shape: "area" },
        { name: "left at this exit", colour: "var(--ee-ink)" },
      ]}
      table={{
        columns: ["exit and confidence", "images", "right", "left here", "mean confidence", "accuracy"],
        rows,
      }}
    >
      <div class="ee-small-plots">
        {calibration.map(({ exit, bins }, i) => (
          <div key={exit}>
            <h4>Exit {exit}</h4>
            <Plot
              label={`Confidence at exit ${exit}: mean ${decimal(exits[i]!.meanConfidence, 2)} of the images that left there.`}
              options={() => confidencePlot(bins)}
            />
          </div>
        ))}
      </div>
    </Figure>
  );
}

function confidencePlot(bins: readonly Bin[]) {
  const bars = bins.flatMap((bin) => [
    { ...bin, low: 0, high: bin.right, colour: RIGHT },
    { ...bin, low: bin.right, high: bin.images, colour: WRONG },
  ]);
  const outline = bins.flatMap(({ from, to, left }) => [
    { at: from, left },
    { at: to, left },
  ]);
  return {
    ...SMALL,
    x: CONFIDENCE,
    y: { label: "images", grid: true, ticks: 4, tickFormat: thousands },
    marks: [
      rectY(bars, { x1: "from", x2: "to", y1: "low", y2: "high", fill: "colour", insetLeft: 0.5, insetRight: 0.5 }),
      lineY(outline, { x: "at", y: "left", stroke: "var(--ee-ink)", strokeWidth: 1.75 }),
      ruleY([0], { strokeOpacity: 0.5 }),
    ],
  };
}

/** Fewer images than this say little about an exit. */
const ENOUGH = 10;

/** Reliability diagrams: how often an exit is right when it says that it is so sure. */
export function CalibrationFigure({ calibration, evaluation: { exits } }: Props) {
  return (
    <Figure
      wide
      title="Calibration of each exit"
      note="A point is a bin of images, the larger the more images. On the dashed line confidence is what it says; below it, an exit is too sure. ECE is the mean distance from the line; bins of fewer than 10 images are not joined. Logits are divided by the exit's temperature, and the answer before comes in with its weight."
      legend={[
        { name: "bin of confidence", colour: "var(--ee-accent)", shape: "point" },
        { name: "as sure as right", colour: "var(--ee-faint)", dash: "5 4" },
      ]}
    >
      <div class="ee-small-plots">
        {calibration.map(({ exit, temperature, priorWeight = 0, bins }, i) => (
          <div key={exit}>
            <h4>Exit {exit}</h4>
            <p class="ee-note">
              ECE {decimal(exits[i]!.ece, 3)}, temperature {decimal(temperature, 2)}
              {i > 0 && `, answer before ${decimal(priorWeight, 2)}`}
            </p>
            <Plot
              label={`Calibration of exit ${exit}: expected calibration error ${decimal(exits[i]!.ece, 3)}.`}
              options={() => reliabilityPlot(bins)}
            />
          </div>
        ))}
      </div>
    </Figure>
  );
}

function reliabilityPlot(bins: readonly Bin[]) {
  const points = bins
    .filter(({ images }) => images > 0)
    .map(({ images, right, meanConfidence }) => ({ images, accuracy: right / images, confidence: meanConfidence }));
  return {
    ...SMALL,
    x: CONFIDENCE,
    y: { label: "accuracy (%)", percent: true, domain: [0, 100], grid: true, ticks: 4 },
    r: { range: [1.5, 9] },
    marks: [
      link([0], { x1: 0, y1: 0, x2: 1, y2: 1, stroke: "var(--ee-faint)", strokeDasharray: "5 4", strokeWidth: 1.5 }),
      lineY(
        points.filter(({ images }) => images >= ENOUGH),
        { x: "confidence", y: "accuracy", stroke: "var(--ee-accent)", strokeWidth: 1.5 },
      ),
      dot(points, { x: "confidence", y: "accuracy", r: "images", fill: "var(--ee-accent)", tip: true }),
    ],
  };
}

function range({ from, to }: Bin): string {
  return `${decimal(from, 2)} to ${decimal(to, 2)}`;
}
