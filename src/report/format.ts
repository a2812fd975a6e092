/** What stands for a figure that does not exist, such as the accuracy of an exit where no image left. */
const NONE = "-";

/** A share 0..1 in percent: 0.324 is "32.4%"; "-" for null. */
export function formatPercent(share: number | null, decimals = 1): string {
  return share === null ? NONE : `${(100 * share).toFixed(decimals)}%`;
}

/** "88.0 to 89.8%" from shares 0..1; "-" for null. */
export function formatPercentInterval(interval: readonly [number, number] | null, decimals = 1): string {
  if (interval === null) return NONE;
  const [low, high] = interval;
  return `${(100 * low).toFixed(decimals)} to ${formatPercent(high, decimals)}`;
}

/** Multiply-accumulates: 141_600_000 is "141.6 M MACs". */
export function formatMacs(macs: number): string {
  return `${formatMillions(macs)} M MACs`;
}

/** A cost in whatever a policy's costs count. @param unit "MACs", "ms", ... */
export function formatCost(cost: number, unit: string): string {
  return unit === "MACs" ? formatMacs(cost) : `${formatCostNumber(cost, unit)} ${unit}`;
}

/** The same without its unit, for a column headed by `costHeading`: four digits, or millions of MACs. */
export function formatCostNumber(cost: number, unit: string): string {
  return unit === "MACs" ? formatMillions(cost) : String(Number(cost.toPrecision(4)));
}

/** The unit that `formatCostNumber` leaves out. */
export function costHeading(unit: string): string {
  return unit === "MACs" ? "M MACs" : unit;
}

/** The same without its unit, for a column headed "M MACs": three decimals below 1 M, two below 10 M, then one. */
export function formatMillions(macs: number): string {
  const millions = macs / 1e6;
  return millions.toFixed(millions < 1 ? 3 : millions < 10 ? 2 : 1);
}

/** A number with so many decimals; "-" for null. */
export function formatDecimal(value: number | null, decimals: number): string {
  return value === null ? NONE : value.toFixed(decimals);
}

/** A whole number with its thousands separated: 5000 is "5,000". */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A lambda to three digits, without trailing zeros: 0.1 is "0.1". */
export function formatLambda(lambda: number): string {
  return String(Number(lambda.toPrecision(3)));
}
