/** Every plot of a report as SVG and CSV, drawn in Node. Light colours, a white ground: for papers. */
import { type PlotOptions, plot } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { CurvesData, FigureData } from "../../src/report/report-data.ts";
import type { SweepReport } from "../../src/report/sweep-data.ts";
import {
  AgentPanels,
  EvaluationPanels,
  ProbesPanel,
  RunCurves,
  readLines,
  SweepPanels,
  TrainingPanels,
} from "../panels/index.ts";
import panels from "../panels/panels.css?raw";
import { type Collected, figuresIn } from "./collected.tsx";

export interface DrawnFigure {
  /** For a file: small letters, digits and dashes. */
  readonly name: string;
  readonly svg: string;
  /** The numbers that were drawn, one line each. */
  readonly csv: string;
  readonly width: number;
  readonly height: number;
}

const WIDTH = 640;
const LINE = 18;
const STYLE: PlotOptions = {
  style: {
    background: "transparent",
    fontSize: "12px",
    fontFamily: "Helvetica, Arial, sans-serif",
    overflow: "visible",
  },
  width: WIDTH,
  height: 320,
  marginLeft: 50,
  marginTop: 28,
  marginBottom: 44,
};

/** @param data what the report is made of */
export function drawFigures({ evaluation, metrics, probes = [] }: FigureData): DrawnFigure[] {
  const lines = readLines(metrics);
  const tree = (
    <>
      {probes.length > 0 && <ProbesPanel probes={probes} />}
      {evaluation && <EvaluationPanels evaluation={evaluation} />}
      <AgentPanels lines={lines} />
      <TrainingPanels lines={lines} />
    </>
  );
  return figuresIn(tree).flatMap(drawn);
}

/** Several runs over each other. */
export function drawCurves({ runs, costUnit }: CurvesData): DrawnFigure[] {
  return figuresIn(<RunCurves runs={runs} unit={costUnit} />).flatMap(drawn);
}

/** What the runs of a sweep say together. */
export function drawSweep(report: SweepReport): DrawnFigure[] {
  return figuresIn(<SweepPanels report={report} />).flatMap(drawn);
}

function drawn({ title, legend, plots }: Collected): DrawnFigure[] {
  const base = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return plots.map((options, i) => {
    const { document } = parseHTML("<!doctype html><html><body></body></html>");
    const given = options(WIDTH);
    const whole = { ...STYLE, ...given, width: WIDTH };
    const element = plot({ ...whole, document: document as unknown as Document });
    const svg = element.tagName.toLowerCase() === "svg" ? element : element.querySelector("svg")!;
    const rows = legendRows(legend);
    const top = LINE * (1 + rows.length) + 6;
    const [width, height] = [WIDTH, whole.height! + top];
    svg.setAttribute("y", String(top));
    svg.removeAttribute("viewBox");
    const text = [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="12" color="var(--ee-ink)">`,
      `<rect width="${width}" height="${height}" fill="var(--ee-paper)"/>`,
      `<text x="8" y="15" font-weight="bold" font-size="14">${escaped(plots.length > 1 ? `${title}: exit ${i + 1}` : title)}</text>`,
      ...rows.map((row, at) => `<g transform="translate(8, ${LINE * (at + 1) + 4})">${row}</g>`),
      svg.outerHTML,
      "</svg>\n",
    ].join("\n");
    const name = plots.length > 1 ? `${base}-exit-${i + 1}` : base;
    return { name, svg: coloured(text), csv: csvOf(given), width, height };
  });
}

/** Items one after the other, in as many rows as they need. */
function legendRows(legend: Collected["legend"]): string[] {
  const rows: string[] = [];
  let [row, at] = ["", 0];
  for (const { name, colour, dash, shape = "line" } of legend) {
    const width = 34 + 6.4 * name.length + 12;
    if (at > 0 && at + width > WIDTH - 16) {
      rows.push(row);
      [row, at] = ["", 0];
    }
    const sign =
      shape === "line"
        ? `<line x1="${at}" x2="${at + 22}" y1="8" y2="8" stroke="${colour}" stroke-width="2.5" stroke-dasharray="${dash ?? "none"}"/>`
        : shape === "area"
          ? `<rect x="${at + 3}" y="2" width="16" height="12" fill="${colour}"/>`
          : `<circle cx="${at + 11}" cy="8" r="4.5" fill="${colour}"/>`;
    row += `${sign}<text x="${at + 28}" y="12">${escaped(name)}</text>`;
    at += width;
  }
  return row === "" ? rows : [...rows, row];
}

/** The light one of each pair of colours in the stylesheet, in place of its variable. */
function coloured(svg: string): string {
  const light = new Map(
    [...panels.matchAll(/--(ee-[\w-]+): light-dark\((#\w+),/g)].map(([, name, hex]) => [name!, hex!]),
  );
  return svg
    .replace(/var\(--(ee-[\w-]+)\)/g, (found, name: string) => light.get(name) ?? found)
    .replaceAll("currentColor", light.get("ee-ink")!)
    .replaceAll("var(--plot-background)", light.get("ee-paper")!);
}

type Row = Readonly<Record<string, unknown>>;

/** The data of every mark, one line for each element, with the fields that are numbers, texts or lists of numbers. */
function csvOf({ marks = [] }: PlotOptions): string {
  const rows = (marks as readonly { readonly data?: unknown }[]).flatMap(({ data }, mark) =>
    Array.isArray(data)
      ? data
          .filter((one): one is Row => typeof one === "object" && one !== null)
          .map((one) => ({ mark: mark + 1, ...flat(one) }))
      : [],
  );
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => columns.map((name) => cell((row as Row)[name])).join(","));
  return `${[columns.join(","), ...lines].join("\n")}\n`;
}

function flat(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]): [string, unknown][] =>
      Array.isArray(value) ? value.map((one, i) => [`${name}.${i + 1}`, one]) : [[name, value]],
    ),
  );
}

function cell(value: unknown): string {
  if (value === null || value === undefined || typeof value === "object") return "";
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
