/** How a line or a point is drawn: the same in plot and legend. */
export interface LegendItem {
  readonly name: string;
  /** A CSS colour, mostly a variable. */
  readonly colour: string;
  /** As in SVG's `stroke-dasharray`. */
  readonly dash?: string;
  /** An area or a point; default: a line. */
  readonly shape?: "line" | "area" | "point";
}

export function Legend({ items }: { readonly items: readonly LegendItem[] }) {
  return (
    <ul class="ee-legend">
      {items.map(({ name, colour, dash, shape = "line" }) => (
        <li key={name}>
          <svg width="24" height="12" aria-hidden="true">
            {shape === "line" && (
              <line x1="1" x2="23" y1="6" y2="6" stroke={colour} stroke-width="2.5" stroke-dasharray={dash} />
            )}
            {shape === "area" && <rect x="4" width="16" height="12" fill={colour} />}
            {shape === "point" && <circle cx="12" cy="6" r="4.5" fill={colour} />}
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}
