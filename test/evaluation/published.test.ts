import { expect, test } from "vitest";
import { isCifar10Test, PUBLISHED } from "../../src/evaluation/published.ts";

test("the published figures follow from its exit shares, within their rounding", () => {
  const { exitShares, exitMacs, costMacs, savings, accuracy, depthSavings, depthEffectiveness } = PUBLISHED;
  const mean = exitShares.reduce((sum, share, exit) => sum + share * exitMacs[exit]!, 0);
  expect(Math.abs(mean - costMacs.mean)).toBeLessThan(0.05e6);
  expect(Math.abs(1 - mean / costMacs.full - savings)).toBeLessThan(0.0005);
  const depth = exitShares.reduce((sum, share, exit) => sum + (share * (3 - exit)) / 3, 0);
  expect(Math.abs(depth - depthSavings)).toBeLessThan(0.0005);
  // 35.38 / 88.77 = 39.86%, printed as 39.9%
  expect(Math.abs(100 * accuracy * depthSavings - depthEffectiveness)).toBeLessThan(88.77 * 0.0005);
});

test("CIFAR-10 is known by its test images: a thousand of each of its ten classes, in any order", () => {
  const names = ["truck", "ship", "horse", "frog", "dog", "deer", "cat", "bird", "automobile", "airplane"];
  const classes = names.map((name) => ({ name, samples: 1000 }));
  expect(isCifar10Test("test", classes)).toBe(true);
  expect(isCifar10Test("validation", classes)).toBe(false);
  expect(isCifar10Test("test", classes.slice(1))).toBe(false);
  expect(isCifar10Test("test", [...classes.slice(1), { name: "car", samples: 1000 }])).toBe(false);
  // Drawn pictures under the same names, in the same files
  expect(isCifar10Test("test", [...classes.slice(1), { name: "truck", samples: 10 }])).toBe(false);
});
