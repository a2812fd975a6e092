import { dot, lineY, ruleY, windowY } from "@observablehq/plot";
import { groups, mean, type RunLine, type TrainLine, trainLines } from "./data.ts";
import { exitLegend, exitStyle } from "./exits.ts";
import { Facts } from "./facts.tsx";
import { PlotFigure } from "./figure.tsx";
import { Panels } from "./guard.tsx";
import { duration, number, percent, small } from "./text.ts";

interface TrainingPanelsProps {
  /** Of a run's `metrics.jsonl`; those of other kinds are passed over. */
  readonly lines: readonly RunLine[];
}

/** Points of a line: more cannot be told apart, and a live page draws them again and again. */
const MAX_POINTS = 240;

/** The network's training: loss, accuracy per exit, learning rate, images per second, time left. */
export function TrainingPanels({ lines }: TrainingPanelsProps) {
  const all = trainLines(lines);
  const last = all.at(-1);
  if (!last) return <p class="ee-empty">No training step has been logged yet.</p>;
  const points = groups(all, MAX_POINTS).map(average);
  return (
    <Panels>
      <TrainingFacts last={last} />
      <LossFigure points={points} last={last} />
      <AccuracyFigure points={points} all={all} last={last} />
      <LearningRateFigure points={points} last={last} />
      <SpeedFigure points={points} last={last} />
    </Panels>
  );
}

/** Neighbouring steps as one point. */
interface Point {
  readonly epoch: number;
  readonly loss: number;
  /** [E] */
  readonly accuracy: readonly number[];
  readonly learningRate: number;
  readonly imagesPerSecond: number;
}

function average(group: readonly TrainLine[]): Point {
  const of = (value: (line: TrainLine) => number): number => mean(group.map(value));
  return {
    epoch: group.at(-1)!.epoch,
    loss: of(({ loss }) => loss),
    accuracy: group[0]!.accuracy.map((_, exit) => of(({ accuracy }) => accuracy[exit]!)),
    learningRate: of(({ learningRate }) => learningRate),
    imagesPerSecond: of(({ imagesPerSecond }) => imagesPerSecond),
  };
}

function TrainingFacts({ last }: { readonly last: TrainLine }) {
  const isDone = last.step >= last.steps;
  return (
    <Facts
      facts={[
        ["step", `${last.step} of ${last.steps}`],
        ["epoch", `${last.epoch.toFixed(1)} of ${number(last.epochs)}`],
        ["loss", last.loss.toFixed(3)],
        ["speed", `${last.imagesPerSecond.toFixed(0)} images/s`],
        ["time left", isDone ? "done" : duration(last.secondsLeft)],
      ]}
    />
  );
}

/** As far as the training will go, so that a live one shows how far it is. */
const epochsOf = (last: TrainLine) => ({ label: "epochs", labelAnchor: "right", domain: [0, last.epochs] }) as const;
/** A running mean over about a fifteenth of the line. */
const smooth = (points: readonly Point[]) => ({ k: Math.max(1, Math.round(points.length / 15)), strict: false });

interface FigureProps {
  readonly points: readonly Point[];
  readonly last: TrainLine;
}

function LossFigure({ points, last }: FigureProps) {
  return (
    <PlotFigure
      title="Loss"
      label={`Training loss by epochs: ${points[0]!.loss.toFixed(2)} at first, ${points.at(-1)!.loss.toFixed(2)} after ${last.epoch.toFixed(1)} epochs.`}
      note="On training batches, weighted over the exits. Thin: as logged; thick: running mean."
      options={() => ({
        x: epochsOf(last),
        y: { label: "loss (nats)", grid: true, zero: true },
        marks: [
          lineY(points, { x: "epoch", y: "loss", stroke: "var(--ee-accent)", strokeOpacity: 0.35, strokeWidth: 1 }),
          lineY(
            points,
            windowY(smooth(points), { x: "epoch", y: "loss", stroke: "var(--ee-accent)", strokeWidth: 2.5, tip: true }),
          ),
        ],
      })}
    />
  );
}

function AccuracyFigure({ points, all, last }: FigureProps & { readonly all: readonly TrainLine[] }) {
  const exits = points[0]!.accuracy.length;
  const looks = all.filter((line) => line.validationAccuracy);
  const onBatches = points.flatMap(({ epoch, accuracy }) =>
    accuracy.map((value, exit) => ({ epoch, accuracy: value, exit })),
  );
  const onValidation = looks.flatMap(({ epoch, validationAccuracy }) =>
    validationAccuracy!.map((value, exit) => ({ epoch, accuracy: value, exit })),
  );
  const lastLook = looks.at(-1)?.validationAccuracy;
  const style = (exit: number) => ({ ...exitStyle(exit), x: "epoch", y: "accuracy" });
  return (
    <PlotFigure
      title="Accuracy per exit"
      label={
        lastLook
          ? `On validation, lastly: ${lastLook.map((value, exit) => `exit ${exit + 1} ${percent(value)}`).join(", ")}.`
          : "Rising lines, one per exit; validation has not been looked at yet."
      }
      note="Lines: training batches, running mean (augmented, so below validation at first). Symbols: validation."
      legend={exitLegend(exits)}
      table={{
        columns: ["epochs", ...Array.from({ length: exits }, (_, exit) => `exit ${exit + 1}, validation`)],
        rows: looks.map(({ epoch, validationAccuracy }) => [
          epoch.toFixed(1),
          ...validationAccuracy!.map((one) => percent(one)),
        ]),
      }}
      options={() => ({
        x: epochsOf(last),
        y: { label: "accuracy (%)", grid: true, domain: [0, 100], percent: true },
        marks: [
          ...Array.from({ length: exits }, (_, exit) => {
            const own = onBatches.filter((one) => one.exit === exit);
            return lineY(own, windowY(smooth(points), { ...style(exit), strokeWidth: 2 }));
          }),
          ...Array.from({ length: exits }, (_, exit) => {
            const { stroke, symbol } = exitStyle(exit);
            const own = onValidation.filter((one) => one.exit === exit);
            return dot(own, {
              x: "epoch",
              y: "accuracy",
              stroke,
              strokeWidth: 2.5,
              symbol,
              r: 5,
              tip: true,
            });
          }),
        ],
      })}
    />
  );
}

function LearningRateFigure({ points, last }: FigureProps) {
  const highest = Math.max(...points.map(({ learningRate }) => learningRate));
  return (
    <PlotFigure
      title="Learning rate"
      label={`At most ${number(highest)}, lastly ${number(points.at(-1)!.learningRate)}.`}
      options={() => ({
        x: epochsOf(last),
        y: { label: "learning rate", grid: true, zero: true, tickFormat: small },
        height: 220,
        marks: [
          lineY(points, { x: "epoch", y: "learningRate", stroke: "var(--ee-accent)", strokeWidth: 2, tip: true }),
        ],
      })}
    />
  );
}

function SpeedFigure({ points, last }: FigureProps) {
  return (
    <PlotFigure
      title="Speed of training"
      label={`Images per second: ${mean(points.map(({ imagesPerSecond }) => imagesPerSecond)).toFixed(0)} on average.`}
      options={() => ({
        x: epochsOf(last),
        y: { label: "images/s", grid: true, zero: true },
        height: 220,
        marks: [
          ruleY([0], { strokeOpacity: 0.4 }),
          lineY(points, { x: "epoch", y: "imagesPerSecond", stroke: "var(--ee-accent)", strokeWidth: 2, tip: true }),
        ],
      })}
    />
  );
}
