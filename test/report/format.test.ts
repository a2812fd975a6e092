import { expect, test } from "vitest";
import {
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
  expect([141_600_000, 1_234_567, 39_512].map(formatMacs)).toEqual(["141.6 M MACs", "1.23 M MACs", "0.040 M MACs"]);
  expect([formatDecimal(0.01234, 3), formatDecimal(null, 3)]).toEqual(["0.012", "-"]);
  expect(formatCount(5000)).toBe("5,000");
  expect([0.1, 0.123456, 1e-4, 2].map(formatLambda)).toEqual(["0.1", "0.123", "0.0001", "2"]);
});
