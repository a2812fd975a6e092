/** Every plot of a report as files for a paper: SVG, PDF, and the numbers as CSV. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { CurvesData, FigureData } from "./report-data.ts";
import type { SweepReport } from "./sweep-data.ts";

/** What `web/figures/draw.tsx` draws, which is built on its own. */
interface DrawnFigure {
  /** For a file: small letters, digits and dashes. */
  readonly name: string;
  readonly svg: string;
  /** The numbers that were drawn. */
  readonly csv: string;
  /** In points, as PDF counts. */
  readonly width: number;
  readonly height: number;
}

interface Drawing {
  drawFigures(data: FigureData): DrawnFigure[];
  drawCurves(data: CurvesData): DrawnFigure[];
  drawSweep(report: SweepReport): DrawnFigure[];
}

/**
 * NAME.svg, NAME.pdf and NAME.csv for each plot, by name.
 *
 * @throws {Error} if the package was not built
 */
export async function figureFiles(data: FigureData): Promise<ReadonlyMap<string, Uint8Array>> {
  return filesOf((await drawing()).drawFigures(data));
}

/**
 * The same for several runs over each other, in one plot.
 *
 * @throws {Error} if the package was not built
 */
export async function curveFiles(data: CurvesData): Promise<ReadonlyMap<string, Uint8Array>> {
  return filesOf((await drawing()).drawCurves(data));
}

/**
 * The same for a sweep; nothing where no run is done.
 *
 * @throws {Error} if the package was not built
 */
export async function sweepFiles(report: SweepReport): Promise<ReadonlyMap<string, Uint8Array>> {
  return filesOf((await drawing()).drawSweep(report));
}

async function drawing(): Promise<Drawing> {
  const built = createRequire(import.meta.url).resolve("#figures");
  return (await import(pathToFileURL(built).href)) as Drawing;
}

async function filesOf(figures: readonly DrawnFigure[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const figure of figures) {
    files.set(`${figure.name}.svg`, new TextEncoder().encode(figure.svg));
    files.set(`${figure.name}.pdf`, await pdfOf(figure));
    files.set(`${figure.name}.csv`, new TextEncoder().encode(figure.csv));
  }
  return files;
}

/** One page of the figure's size. Dates stay out of it: the same figure gives the same bytes. */
async function pdfOf({ svg, width, height, name }: DrawnFigure): Promise<Uint8Array> {
  const [{ default: PdfDocument }, { default: drawSvg }] = await Promise.all([
    import("pdfkit"),
    import("svg-to-pdfkit"),
  ]);
  const info = { Title: name, Producer: "earlyexit", Creator: "earlyexit", CreationDate: new Date(0) };
  const document = new PdfDocument({ size: [width, height], margin: 0, info });
  const parts: Uint8Array[] = [];
  document.on("data", (part: Uint8Array) => parts.push(part));
  const ended = new Promise<void>((resolve, reject) => document.once("end", resolve).once("error", reject));
  drawSvg(document, inHelvetica(svg), 0, 0, { assumePt: true, width, height, fontCallback: fontOf });
  document.end();
  await ended;
  return new Uint8Array(Buffer.concat(parts));
}

const fontOf = (_: string, bold: boolean): string => (bold ? "Helvetica-Bold" : "Helvetica");

/** The fonts that every reader of PDF has know no arrows, and no other minus than the hyphen. */
function inHelvetica(svg: string): string {
  return svg
    .replace(/[↑→] ?/g, "")
    .replaceAll("−", "-")
    .replaceAll("…", "...");
}
