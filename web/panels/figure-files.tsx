/** A figure as files: what is drawn as SVG or PNG, its numbers as CSV. */
import type { RefObject } from "preact";
import type { TableData } from "./table.tsx";

interface FigureFilesProps {
  readonly title: string;
  /** Of the whole figure. */
  readonly frame: RefObject<HTMLElement | null>;
  readonly table: TableData | null;
}

/** Pixels of a PNG for each of the page's. */
const PIXELS = 2;

export function FigureFiles({ title, frame, table }: FigureFilesProps) {
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const draw = async (kind: "svg" | "png"): Promise<void> => {
    const drawing = drawingOf(frame.current!);
    if (!drawing) return;
    const svg = new Blob([drawing.text], { type: "image/svg+xml" });
    save(`${name}.${kind}`, kind === "svg" ? svg : await rastered(svg, drawing));
  };
  return (
    <div class="ee-save">
      <span>save as</span>
      <button type="button" aria-label={`${title} as SVG`} onClick={() => draw("svg")}>
        SVG
      </button>
      <button type="button" aria-label={`${title} as PNG`} onClick={() => draw("png")}>
        PNG
      </button>
      {table && table.rows.length > 0 && (
        <button
          type="button"
          aria-label={`${title} as CSV`}
          onClick={() => save(`${name}.csv`, new Blob([csvOf(table)], { type: "text/csv" }))}
        >
          CSV
        </button>
      )}
    </div>
  );
}

/** RFC 4180, with a byte order mark, without which spreadsheets take UTF-8 for something else. */
export function csvOf({ columns, rows }: TableData): string {
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return `\uFEFF${[columns, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("")}`;
}

interface Drawing {
  readonly text: string;
  readonly width: number;
  readonly height: number;
}

/** All plots of a figure, one below the other, with the colours that the page has now; null where nothing is drawn. */
function drawingOf(frame: HTMLElement): Drawing | null {
  const plots = [...frame.querySelectorAll<SVGSVGElement>(".ee-plot svg")].filter((one) => !one.closest("svg svg"));
  if (plots.length === 0) return null;
  const sizes = plots.map((one) => one.getBoundingClientRect());
  const width = Math.max(...sizes.map((one) => one.width));
  const height = sizes.reduce((sum, one) => sum + one.height, 0);
  const { color } = getComputedStyle(frame);
  const paper = getComputedStyle(frame).backgroundColor;
  let top = 0;
  const parts = plots.map((plot, i) => {
    const copy = withColours(plot);
    copy.setAttribute("y", String(top));
    top += sizes[i]!.height;
    return new XMLSerializer().serializeToString(copy);
  });
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" color="${color}" ` +
    `font-family="system-ui, sans-serif"><rect width="100%" height="100%" fill="${paper}"/>${parts.join("")}</svg>`;
  return { text, width, height };
}

/** A copy that needs no style sheet of the page: variables are replaced by the colours that they stand for. */
function withColours(plot: SVGSVGElement): SVGSVGElement {
  const copy = plot.cloneNode(true) as SVGSVGElement;
  const originals = [plot, ...plot.querySelectorAll<SVGElement>("*")];
  for (const [i, element] of [copy, ...copy.querySelectorAll<SVGElement>("*")].entries()) {
    const computed = getComputedStyle(originals[i]!);
    for (const name of ["fill", "stroke"])
      if (element.getAttribute(name)?.includes("var(")) element.setAttribute(name, computed.getPropertyValue(name));
  }
  copy.style.setProperty("--plot-background", getComputedStyle(plot).getPropertyValue("--plot-background"));
  return copy;
}

async function rastered(svg: Blob, { width, height }: Drawing): Promise<Blob> {
  const address = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = new OffscreenCanvas(PIXELS * width, PIXELS * height);
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/png" });
  } finally {
    URL.revokeObjectURL(address);
  }
}

function save(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // the browser has begun to read it by then
}
