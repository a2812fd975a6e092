import { type PlotOptions, plot } from "@observablehq/plot";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Legend, type LegendItem } from "./legend.tsx";
import { Table, type TableData } from "./table.tsx";

/** Drawn before the real width is known. */
const FIRST_WIDTH = 480;

interface PlotFigureProps {
  readonly title: string;
  /** What the plot says, for who cannot see it. */
  readonly label: string;
  readonly options: (width: number) => PlotOptions;
  readonly legend?: readonly LegendItem[];
  /** How to read it. */
  readonly note?: ComponentChildren;
  /** The same as numbers. */
  readonly table?: TableData;
  /** Takes the whole width of its panel. */
  readonly wide?: boolean;
}

/** A plot with its title, legend, note and text alternative, as wide as there is room. */
export function PlotFigure({ title, label, options, legend, note, table, wide = false }: PlotFigureProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(FIRST_WIDTH);
  useLayoutEffect(() => {
    const element = frame.current!;
    const measure = (): void => setWidth(Math.max(200, Math.floor(element.clientWidth)));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    frame.current!.replaceChildren(plot({ ...STYLE, width, ...options(width) }));
  });
  return (
    <figure class={wide ? "ee-figure ee-wide" : "ee-figure"}>
      <h3>{title}</h3>
      {legend && <Legend items={legend} />}
      <div class="ee-plot" role="img" aria-label={`${title}. ${label}`} ref={frame} />
      {note && <figcaption>{note}</figcaption>}
      {table && (
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

const STYLE: PlotOptions = {
  style: { background: "transparent", color: "inherit", fontSize: "12px", overflow: "visible" },
  marginLeft: 46,
  marginBottom: 40,
};
