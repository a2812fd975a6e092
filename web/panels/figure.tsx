import { type PlotOptions, plot } from "@observablehq/plot";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { FigureFiles } from "./figure-files.tsx";
import { Legend, type LegendItem } from "./legend.tsx";
import { Table, type TableData } from "./table.tsx";

interface FigureProps {
  readonly title: string;
  readonly legend?: readonly LegendItem[];
  /** How to read it. */
  readonly note?: ComponentChildren;
  /** The same as numbers. */
  readonly table?: TableData;
  /** Takes the whole width of its panel. */
  readonly wide?: boolean;
}

interface PlotProps {
  /** What the plot says, for who cannot see it. */
  readonly label: string;
  readonly options: (width: number) => PlotOptions;
}

interface NearProps {
  /** The same from nearer, where there is something to be seen so: a check box chooses it. */
  readonly near?: { readonly name: string; readonly options: PlotProps["options"] } | null;
}

/** One plot with its title, legend, note and table. */
export function PlotFigure({ label, options, near = null, ...figure }: FigureProps & PlotProps & NearProps) {
  const [isNear, setIsNear] = useState(false);
  return (
    <Figure {...figure}>
      {near && (
        <label class="ee-tool">
          <input type="checkbox" checked={isNear} onChange={(event) => setIsNear(event.currentTarget.checked)} />{" "}
          {near.name}
        </label>
      )}
      <Plot label={`${figure.title}. ${label}`} options={near && isNear ? near.options : options} />
    </Figure>
  );
}

export function Figure(props: FigureProps & { readonly children: ComponentChildren }) {
  const { title, legend, note, table, wide = false, children } = props;
  const frame = useRef<HTMLElement>(null);
  return (
    <figure ref={frame} class={wide ? "ee-figure ee-wide" : "ee-figure"}>
      <h3>{title}</h3>
      {legend && <Legend items={legend} />}
      {children}
      {note && <figcaption class="ee-note">{note}</figcaption>}
      <FigureFiles title={title} frame={frame} table={table ?? null} />
      {table && table.rows.length > 0 && (
        <details>
          <summary>
            As a table<span class="ee-unseen">: {title}</span>
          </summary>
          <Table {...table} caption={title} />
        </details>
      )}
    </figure>
  );
}

/** A plot as wide as there is room; it is drawn anew when its data or that room changes. */
export function Plot({ label, options }: PlotProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = frame.current!;
    const measure = (): void => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (width === 0) return;
    const drawn = plot({ ...STYLE, width, ...options(width) });
    drawn.setAttribute("aria-hidden", "true"); // the frame's label speaks for it
    frame.current!.replaceChildren(drawn);
  });
  return <div class="ee-plot" role="img" aria-label={label} ref={frame} />;
}

const STYLE: PlotOptions = {
  style: { background: "transparent", color: "inherit", fontSize: "12px", overflow: "visible" },
  height: 320,
  marginLeft: 50,
  marginTop: 28,
  marginBottom: 44,
};
