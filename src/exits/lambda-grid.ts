/** The prices of computing that a policy is made for, and grids of them. */
export interface LambdaRange {
  readonly from: number;
  readonly to: number;
}

/** `points` lambdas from the one end to the other, in equal ratios; one if the range is a single lambda. */
export function lambdaGrid({ from, to }: LambdaRange, points: number): number[] {
  if (from === to || points < 2) return [from];
  return Array.from({ length: points }, (_, i) => (i === points - 1 ? to : from * (to / from) ** (i / (points - 1))));
}

/** `lambdaGrid` and one lambda more, such as the recommended one: rising, none twice. */
export function lambdaGridWith(one: number, range: LambdaRange, points: number): number[] {
  return [...new Set([...lambdaGrid(range, points), one])].sort((a, b) => a - b);
}
