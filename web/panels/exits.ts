import type { SymbolType } from "@observablehq/plot";
import type { LegendItem } from "./legend.tsx";

/** Colours of Okabe and Ito, which colour-blind readers can tell apart; `panels.css` holds a light and a dark one of each. */
const COLOURS = 8;
const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];
const SYMBOLS: readonly SymbolType[] = ["circle", "triangle", "square", "diamond"];

/** An exit looks the same everywhere; dashes and symbols tell it where colours do not. @param exit 0..E-1 */
export function exitStyle(exit: number) {
  return {
    stroke: exitColour(exit),
    strokeDasharray: DASHES[exit % DASHES.length]!,
    symbol: SYMBOLS[exit % SYMBOLS.length]!,
  };
}

export function exitColour(exit: number): string {
  return `var(--ee-exit-${(exit % COLOURS) + 1})`;
}

/** A run looks the same in every figure that compares runs. @param run its place among them */
export function runStyle(run: number): { readonly colour: string; readonly dash: string } {
  return { colour: exitColour(run), dash: DASHES[run % DASHES.length]! };
}

export function exitLegend(exits: number, shape: "line" | "area" = "line"): LegendItem[] {
  return Array.from({ length: exits }, (_, exit) => {
    const { stroke: colour, strokeDasharray: dash } = exitStyle(exit);
    return { name: `exit ${exit + 1}`, colour, dash, shape };
  });
}
