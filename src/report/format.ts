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

/** Multiply-accumulates: 141_600_000 is "141.6 M MACs", 950 is "950 MACs". */
export function formatMacs(macs: number): string {
  return formatCost(macs, "MACs");
}

/** A cost in whatever a policy's costs count. @param unit "MACs", "ms", ... */
export function formatCost(cost: number, unit: string): string {
  const { heading, text } = costScale(unit, [cost]);
  return `${text(cost)} ${heading}`;
}

/** Steps of a unit, the largest first: what one is worth, how it is written, and from which cost on. */
const STEPS: Readonly<Record<string, readonly (readonly [worth: number, heading: string, from: number])[]>> = {
  MACs: [
    [1e9, "G MACs", 1e10],
    [1e6, "M MACs", 1e5],
    [1e3, "k MACs", 1e3],
  ],
  s: [
    [1, "s", 0.1],
    [1e-3, "ms", 1e-4],
    [1e-6, "us", 0],
  ],
  J: [
    [1, "J", 0.1],
    [1e-3, "mJ", 1e-4],
    [1e-6, "uJ", 0],
  ],
};

/** How costs are written. */
export interface CostScale {
  /** The unit, for the head of a column. */
  readonly heading: string;
  /** A cost without its unit, aligned with others. */
  readonly text: (cost: number) => string;
  /** The same in four digits at most, for an axis. */
  readonly short: (cost: number) => string;
}

/**
 * How costs that stand together are written: one unit for all of them, which follows the size of the largest. Networks of thousands of
 * millions of MACs stay in M, since that is how they are compared; 10,000 M is 10 G.
 *
 * @param costs at least one
 */
export function costScale(unit: string, costs: readonly number[]): CostScale {
  const largest = Math.max(...costs.map(Math.abs));
  const [worth, heading] = STEPS[unit]?.find(([, , from]) => largest >= from) ?? [1, unit];
  const isCounted = unit === "MACs" && worth > 1;
  const short = (cost: number): string => String(Number((cost / worth).toPrecision(4)));
  return { heading, short, text: isCounted ? (cost) => decimals(cost / worth) : short };
}

/** Three decimals below 1, two below 10, then one. */
function decimals(value: number): string {
  return value.toFixed(Math.abs(value) < 1 ? 3 : Math.abs(value) < 10 ? 2 : 1);
}

/** The same without its unit, for a column headed "M MACs": three decimals below 1 M, two below 10 M, then one. */
export function formatMillions(macs: number): string {
  return decimals(macs / 1e6);
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

/** "+0.0037 [+0.0002, +0.0070]"; "-" where there is nothing to compare. */
export function formatDifference(
  difference: { readonly value: number; readonly interval: readonly [number, number] } | undefined,
  decimals: number,
): string {
  if (!difference) return NONE;
  const signed = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(decimals)}`;
  const [low, high] = difference.interval.map(signed);
  return `${signed(difference.value)} [${low}, ${high}]`;
}
