import { expect, test } from "vitest";
import { explanation } from "../../src/cli/answer-text.ts";

const trace = (qExit: number | null, qContinue: number | null) => ({
  exit: 1,
  classIndex: 1,
  confidence: 0.75,
  probabilities: [0.25, 0.75],
  qExit,
  qContinue,
  exited: true,
});
const answer = (qExit: number | null, qContinue: number | null) =>
  ({ reason: "why", trace: [trace(qExit, qContinue)] }) as unknown as Parameters<typeof explanation>[0];
const form = { classes: ["cat", "dog"], exits: 2, top: 1 };

test("two Q-values where an agent decides, score and threshold where thresholds do", () => {
  expect(explanation(answer(0.9, 0.8), { ...form, decider: "dqn" })).toEqual([
    "  why",
    "    exit 1: dog (75.0%); leaving 0.900, going on 0.800",
  ]);
  const margin = explanation(answer(0.5, 1.01), { ...form, decider: "threshold:margin" });
  expect(margin[1]).toBe("    exit 1: dog (75.0%); margin 0.500, threshold 1.010");
  const entropy = explanation(answer(-0.25, -0.125), { ...form, decider: "threshold:entropy" });
  expect(entropy[1]).toBe("    exit 1: dog (75.0%); entropy 0.250, threshold 0.125");
  expect(explanation(answer(null, null), { ...form, decider: "dqn" })[1]).toBe("    exit 1: dog (75.0%); the last one");
});
