import { dot, lineY, type Markish, type PlotOptions, type RenderFunction, ruleX, text } from "@observablehq/plot";
import type { Curve, CurvePoint } from "./data.ts";
import { PlotFigure } from "./figure.tsx";
import { kneeOf, type Window } from "./knee.ts";
import type { LegendItem } from "./legend.tsx";
import { cost, costScale, isFixedExit, number, percent, policyName } from "./text.ts";

interface AccuracyCostCurveProps {
  /** "dqn" and any yardsticks; see `calibrationCurve` for a model without more. */
  readonly curves: readonly Curve[];
  /** What costs count; default "MACs". */
  readonly costUnit?: string;
  /** Cost of the backbone with its last head alone: drawn as a line. */
  readonly fullCost?: number;
  /** A lambda: the agent's point there is marked. */
  readonly marker?: number;
  readonly title?: string;
  readonly wide?: boolean;
}

/** What accuracy costs: the agent over all lambdas, beside the yardsticks. */
export function AccuracyCostCurve(props: AccuracyCostCurveProps) {
  const { curves, costUnit = "MACs", marker, title = "Accuracy and cost", wide = false } = props;
  const agent = curves.find(({ name }) => name === "dqn")?.points ?? [];
  const costs = curves.flatMap(({ points }) => points.map(({ costMacs }) => costMacs));
  const scale = costScale(costUnit, [...costs, props.fullCost ?? 0]);
  const isWide = Math.max(...costs, props.fullCost ?? 0) > LOGARITHMIC_FROM * Math.min(...costs);
  const knee = kneeOf(curves);
  const marked = marker === undefined ? null : pointAt(agent, marker);
  const label = marked
    ? `At lambda ${number(marked.lambda)} the agent reaches ${percent(marked.accuracy)} at ${cost(marked.costMacs, costUnit)} per image.`
    : describe(agent, costUnit);
  const drawn = (width: number, zoom: Window | null): PlotOptions => ({
    height: Math.max(280, Math.min(480, width * 0.6)),
    ...(width >= ROOM_FOR_NAMES ? { marginRight: NAMES_WIDTH } : {}),
    x: {
      label: `mean cost per image (${scale.heading})`,
      labelAnchor: "right",
      grid: true,
      ...(isWide ? { type: "log" as const } : { zero: !zoom }),
      ...(zoom ? { domain: zoom.costMacs } : {}),
      tickFormat: (value: number) => scale.short(value),
      ticks: Math.max(3, Math.floor(width / 90)),
    },
    y: {
      label: "accuracy (%)",
      percent: true,
      grid: true,
      ...(zoom
        ? { domain: zoom.accuracy.map((one) => 100 * one) } // lines go on beyond the frame: no insets
        : { insetTop: 12, insetBottom: 24 }),
    },
    clip: zoom !== null,
    marks: [
      ...(zoom && !(props.fullCost! <= zoom.costMacs[1]) ? [] : fullCostMarks(props)),
      ...curves.flatMap(curveMarks),
      ...(width >= ROOM_FOR_NAMES && !zoom ? nameMarks(curves) : []),
      ...(marked && isInside(marked, zoom) ? markerMarks(marked, costUnit) : []),
    ],
  });
  return (
    <PlotFigure
      title={title}
      label={label}
      wide={wide}
      near={
        knee && {
          name: "Zoom to the knee: within 5 points of the best accuracy",
          options: (width) => drawn(width, knee),
        }
      }
      legend={curves.filter(({ name }) => !isFixedExit(name)).map(legendItem)}
      note={
        curves.some(({ name }) => name === "oracle")
          ? "Each line is one policy over all lambdas: up and to the left is better. The oracle knows the answers: nobody can reach it."
          : "The agent over all lambdas: up and to the left is better."
      }
      table={{
        columns: ["policy", "lambda", "accuracy", `cost (${scale.heading})`],
        rows: curves.flatMap(({ name, points }) =>
          everyFew(points).map((point) => [
            policyName(name),
            points.length > 1 ? number(point.lambda) : "-",
            percent(point.accuracy, 2),
            scale.text(point.costMacs),
          ]),
        ),
      }}
      options={(width) => drawn(width, null)}
    />
  );
}

function isInside({ costMacs, accuracy }: CurvePoint, zoom: Window | null): boolean {
  if (!zoom) return true;
  const within = (value: number, [from, to]: readonly [number, number]): boolean => value >= from && value <= to;
  return within(costMacs, zoom.costMacs) && within(accuracy, zoom.accuracy);
}

/** With costs so many times apart the cheap exits would lie on top of each other; equal ratios are then equally far apart. */
const LOGARITHMIC_FROM = 25;

interface CurveStyle {
  readonly colour: string;
  readonly dash: string;
  readonly width: number;
}

/** The agent is the thickest line; every other one differs in colour and dashes. */
const STYLES: Record<string, CurveStyle> = {
  dqn: { colour: "var(--ee-exit-1)", dash: "none", width: 3 },
  optimal: { colour: "var(--ee-exit-3)", dash: "7 3", width: 2 },
  "threshold:confidence": { colour: "var(--ee-exit-2)", dash: "none", width: 1.5 },
  "threshold:margin": { colour: "var(--ee-exit-2)", dash: "6 3", width: 1.5 },
  "threshold:entropy": { colour: "var(--ee-exit-2)", dash: "2 3", width: 1.5 },
  patience: { colour: "var(--ee-exit-4)", dash: "9 3 2 3", width: 1.5 },
  oracle: { colour: "var(--ee-faint)", dash: "2 3", width: 2 },
};
const OTHER: CurveStyle = { colour: "var(--ee-faint)", dash: "none", width: 1.5 };

function legendItem({ name, points }: Curve): LegendItem {
  const { colour, dash } = STYLES[name] ?? OTHER;
  return { name: policyName(name), colour, dash, shape: points.length > 1 ? "line" : "point" };
}

function curveMarks({ name, points }: Curve): Markish[] {
  const { colour, dash, width } = STYLES[name] ?? OTHER;
  const at = { x: "costMacs", y: "accuracy" } as const;
  if (isFixedExit(name))
    return [
      dot(points, { ...at, symbol: "square", r: 5, fill: "var(--ee-ink)" }),
      text(points, { ...at, text: () => policyName(name).replace("always ", ""), dy: 14, fill: "var(--ee-ink)" }),
    ];
  if (points.length === 1) return [dot(points, { ...at, r: 5, fill: colour })];
  const line = lineY(points, { ...at, stroke: colour, strokeWidth: width, strokeDasharray: dash });
  // the oracle is right as often at any lambda: its points nearly coincide
  if (name !== "dqn") return name === "oracle" ? [line, dot(points, { ...at, r: 3, fill: colour })] : [line];
  const title = ({ lambda, accuracy }: CurvePoint): string => `lambda ${number(lambda)}: ${percent(accuracy)}`;
  return [line, dot(points, { ...at, r: 2.5, fill: colour, title, tip: true })];
}

/** Narrower plots leave the names to the legend. */
const ROOM_FOR_NAMES = 560;
/** Pixels from one name to the next, and at the right of the plot for them. */
const NAME_HEIGHT = 15;
const NAMES_WIDTH = 225;
/** A line that ends farther from the right edge has its name at its end. */
const LONGEST_LEADER = 420;

/** The name of each line: beside the plot, with a leader to its dear end, or at that end; where names lie close, they are moved apart. */
function nameMarks(curves: readonly Curve[]): Markish[] {
  const lines = curves.filter(({ name, points }) => points.length > 1 && !isFixedExit(name));
  const draw: RenderFunction = (_, { x, y }, __, { width, marginRight }, { document }) => {
    const edge = width - marginRight;
    const ends = lines.map(({ name, points }) => {
      const dearest = points.reduce((one, other) => (other.costMacs > one.costMacs ? other : one));
      const at = { x: Number(x!(dearest.costMacs)), y: Number(y!(100 * dearest.accuracy)) };
      return { at, name: policyName(name), colour: (STYLES[name] ?? OTHER).colour };
    });
    const group = document.createElementNS(SVG, "g");
    for (const isBeside of [true, false]) {
      const some = ends.filter(({ at }) => edge - at.x <= LONGEST_LEADER === isBeside);
      const heights = movedApart(Float64Array.from(some, ({ at }) => at.y));
      for (const [i, { at, name, colour }] of some.entries()) {
        const from = isBeside ? edge + 30 : at.x + 9;
        if (isBeside) {
          const leader = element(document, "line", { x1: at.x, y1: at.y, x2: edge + 26, y2: heights[i]! });
          leader.setAttribute("stroke", colour);
          leader.setAttribute("stroke-opacity", "0.5");
          group.append(leader);
        }
        const text = element(document, "text", {
          x: from,
          y: heights[i]!,
          dy: "0.32em",
          "text-anchor": "start",
          "font-weight": 600,
        });
        for (const [key, value] of Object.entries(HALO)) text.setAttribute(key, value);
        text.setAttribute("fill", colour);
        text.textContent = name;
        group.append(text);
      }
    }
    return group;
  };
  return [draw];
}

const SVG = "http://www.w3.org/2000/svg";
/** So that a name is read over lines. */
const HALO = { stroke: "var(--ee-card)", "stroke-width": "4", "paint-order": "stroke" };

function element(document: Document, name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** The same places, none closer to another than the height of a name; the order stays. */
function movedApart(places: Float64Array): Float64Array {
  const order = [...places.keys()].sort((a, b) => places[a]! - places[b]!);
  const moved = places.slice();
  for (let round = 0; round < 50; round++)
    for (let i = 1; i < order.length; i++) {
      const [above, below] = [order[i - 1]!, order[i]!];
      const missing = NAME_HEIGHT - (moved[below]! - moved[above]!);
      if (missing <= 0) continue;
      moved[above]! -= missing / 2;
      moved[below]! += missing / 2;
    }
  return moved;
}

function fullCostMarks({ fullCost, costUnit = "MACs" }: AccuracyCostCurveProps): Markish[] {
  if (fullCost === undefined) return [];
  const at = { x: fullCost, frameAnchor: "bottom" } as const;
  return [
    ruleX([fullCost], { stroke: "var(--ee-ink)", strokeOpacity: 0.6, strokeDasharray: "4 4" }),
    text([`full network ${cost(fullCost, costUnit)}`], {
      ...at,
      rotate: -90,
      textAnchor: "start",
      dx: -8,
      dy: -4,
    }),
  ];
}

function markerMarks(point: CurvePoint, costUnit: string): Markish[] {
  const at = { x: "costMacs", y: "accuracy" } as const;
  const said = `${percent(point.accuracy)} at ${cost(point.costMacs, costUnit)}`;
  return [
    dot([point], { ...at, r: 8, stroke: "var(--ee-ink)", strokeWidth: 3, fill: "var(--ee-exit-1)" }),
    text([point], {
      ...at,
      text: () => said,
      dy: -20,
      fontWeight: "bold",
      fill: "var(--ee-ink)",
      stroke: "var(--ee-paper)",
      strokeWidth: 4,
    }),
  ];
}

/** The point whose lambda is nearest, in ratio. */
function pointAt(points: readonly CurvePoint[], lambda: number): CurvePoint | null {
  const distance = (point: CurvePoint): number => Math.abs(Math.log(point.lambda / lambda));
  return points.reduce<CurvePoint | null>(
    (best, point) => (best && distance(best) <= distance(point) ? best : point),
    null,
  );
}

function describe(agent: readonly CurvePoint[], costUnit: string): string {
  const [first, last] = [agent[0], agent.at(-1)];
  if (!first || !last) return "One line per policy.";
  const say = ({ accuracy, costMacs }: CurvePoint): string => `${percent(accuracy)} at ${cost(costMacs, costUnit)}`;
  return `The agent goes from ${say(first)} (lambda ${number(first.lambda)}) to ${say(last)} (lambda ${number(last.lambda)}).`;
}

/** A table of all 61 points would be long: at most nine of a line. */
function everyFew(points: readonly CurvePoint[]): readonly CurvePoint[] {
  const step = Math.max(1, Math.floor((points.length - 1) / 8));
  return points.filter((_, i) => i % step === 0);
}
