/** What panels draw with, where there is no page: elements that say what would be drawn. Stands in for `figure.tsx` and `guard.tsx`. */
import type { PlotOptions } from "@observablehq/plot";
import type { ComponentChildren, VNode } from "preact";
import type { LegendItem } from "../panels/legend.tsx";

interface FigureProps {
  readonly title: string;
  readonly legend?: readonly LegendItem[];
  readonly children?: ComponentChildren;
}

interface PlotProps {
  readonly options: (width: number) => PlotOptions;
}

export function PlotFigure({ options, ...figure }: FigureProps & PlotProps) {
  return (
    <Figure {...figure}>
      <Plot options={options} />
    </Figure>
  );
}

export function Figure(_: FigureProps): VNode | null {
  return null;
}

export function Plot(_: PlotProps): VNode | null {
  return null;
}

export function Panels({ children }: { readonly children: ComponentChildren }) {
  return <>{children}</>;
}

/** A figure with all its plots. */
export interface Collected {
  readonly title: string;
  readonly legend: readonly LegendItem[];
  readonly plots: readonly PlotProps["options"][];
}

/** Every figure in a tree of elements, in its order. Components without hooks are called; there are no others in the panels. */
export function figuresIn(tree: ComponentChildren): Collected[] {
  const figures: Collected[] = [];
  walk(tree, ({ type, props }) => {
    if (type !== Figure) return false;
    const { title, legend = [], children } = props as unknown as FigureProps;
    const plots: PlotProps["options"][] = [];
    walk(children, (inner) => {
      if (inner.type === Plot) plots.push((inner.props as unknown as PlotProps).options);
      return inner.type === Plot;
    });
    if (plots.length > 0) figures.push({ title, legend, plots });
    return true;
  });
  return figures;
}

/** @param visit returns whether it has taken the element, and what is inside is not to be walked */
function walk(node: ComponentChildren, visit: (element: VNode) => boolean): void {
  if (Array.isArray(node)) for (const one of node) walk(one, visit);
  else if (typeof node === "object" && node !== null && "type" in node) {
    const element = node as VNode<{ children?: ComponentChildren }>;
    if (visit(element as VNode)) return;
    const { type, props } = element;
    walk(typeof type === "function" ? (type as (given: object) => ComponentChildren)(props) : props.children, visit);
  }
}
