import { expect, test } from "vitest";
import type { ExitTrace } from "../../src/inference/classification.ts";
import { reasonOf } from "../../src/inference/reason.ts";

const at = (exit: number, confidence: number, qExit: number | null, qContinue: number | null): ExitTrace => ({
  exit,
  classIndex: 0,
  probabilities: [confidence, 1 - confidence],
  confidence,
  margin: 2 * confidence - 1,
  entropy: 0,
  qExit,
  qContinue,
  exited: true,
});

test("why, in numbers and words", () => {
  const macs = [12e6, 50.4e6, 131e6];
  expect(reasonOf(at(1, 0.89, 0.897, 0.886), "policy", macs)).toBe(
    "left at exit 1: 89% sure; going on costs 4.2 times as much and was expected to be worth less than its price (0.886 against 0.897)",
  );
  expect(reasonOf(at(2, 0.71, 0.79, 0.812), "deadline", macs)).toBe(
    "left at exit 2: 71% sure; the agent wanted to go on (0.812 against 0.790), but the next stage would probably have come too late",
  );
  expect(reasonOf(at(1, 0.89, 0.89, 0.833), "policy", macs, "threshold:confidence")).toBe(
    "left at exit 1: 89% sure; its confidence of 0.890 reaches the threshold of 0.833",
  );
  expect(reasonOf(at(1, 0.89, -0.4, -0.571), "policy", macs, "threshold:entropy")).toBe(
    "left at exit 1: 89% sure; its entropy of 0.400 reaches the threshold of 0.571",
  );
  expect(reasonOf(at(3, 0.997, null, null), "last exit", macs)).toBe(
    "went to the last exit, 3: over 99% sure; there is nothing behind it",
  );
});
