/** Numbers and sentences as text: those of the terminal, and a few more. */
export {
  costScale,
  formatCost as cost,
  formatCount as count,
  formatDecimal as decimal,
  formatDifference as difference,
  formatLambda as number,
  formatPercent as percent,
  formatPercentInterval as percentInterval,
} from "../../src/report/format.ts";
export { isFixedExit, policyName } from "../../src/report/names.ts";
export { verdict } from "../../src/report/verdict.ts";

/** 6000 is "6k", for the marks of an axis. */
export function thousands(value: number): string {
  return Math.abs(value) < 1000 ? String(value) : `${Number((value / 1000).toPrecision(3))}k`;
}

/** 0.0005 is "5e-4", 0.05 stays as it is. */
export function small(value: number): string {
  const digits = Number(value.toPrecision(2));
  return digits !== 0 && Math.abs(digits) < 0.001 ? digits.toExponential() : String(digits);
}

/** Seconds as "2 min 5 s" or "41 s". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}
