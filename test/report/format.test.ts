import { expect, test } from "vitest";
import {
  costScale,
  formatCost,
  formatCount,
  formatDecimal,
  formatLambda,
  formatMacs,
  formatPercent,
  formatPercentInterval,
} from "../../src/report/format.ts";

test("figures as text", () => {
  expect([formatPercent(0.324), formatPercent(0.8877, 2), formatPercent(null)]).toEqual(["32.4%", "88.77%", "-"]);
  expect([formatPercentInterval([0.88, 0.8976]), formatPercentInterval(null)]).toEqual(["88.0 to 89.8%", "-"]);
  expect(formatPercentInterval([-0.02, 0.01], 2)).toBe("-2.00 to 1.00%");
  expect([141_600_000, 1_234_567, 39_512].map(formatMacs)).toEqual(["141.6 M MACs", "1.23 M MACs", "39.5 k MACs"]);
  expect([950, 12, 0.5, 25e9].map(formatMacs)).toEqual(["950 MACs", "12 MACs", "0.5 MACs", "25.0 G MACs"]);
  expect([formatCost(0.00025, "s"), formatCost(2.5, "s"), formatCost(0.25, "units")]).toEqual([
    "0.25 ms",
    "2.5 s",
    "0.25 units",
  ]);
  const { heading, text } = costScale("MACs", [265_000, 18_600_000]); // one unit for all that stand together
  expect([heading, text(265_000), text(18_600_000)]).toEqual(["M MACs", "0.265", "18.6"]);
  expect([formatDecimal(0.01234, 3), formatDecimal(null, 3)]).toEqual(["0.012", "-"]);
  expect(formatCount(5000)).toBe("5,000");
  expect([0.1, 0.123456, 1e-4, 2].map(formatLambda)).toEqual(["0.1", "0.123", "0.0001", "2"]);
});
