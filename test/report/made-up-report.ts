/** A report of a policy that has not learned, on made-up logits: every panel has something to draw. */
import type { DetailedEvaluation } from "../../src/evaluation/details.ts";
import { detailOnTable, type TableEvaluation } from "../../src/evaluation/evaluate-table.ts";
import { stateWidth } from "../../src/exits/observation.ts";
import { initialQWeights } from "../../src/policy/q-network.ts";
import type { ReportData } from "../../src/report/report-data.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { COSTS, syntheticTable } from "../policy/synthetic.ts";

/** What a class may be called, if somebody means harm. */
export const HOSTILE = [
  "</script><script>globalThis.harmed = 1</script>",
  '<img src="x" onerror="globalThis.harmed = 2">',
  "<!--<script>",
  "&lt;b&gt;",
];
const CLASSES = [...HOSTILE, "cat", "deer", "dog", "frog", "ship", "truck"];
const RED_PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

export function tableEvaluation(runtime: Runtime): TableEvaluation {
  const shape = { hidden: [4], dueling: false };
  const [exits, classes] = [COSTS.exitMacs.length, CLASSES.length];
  const weights = initialQWeights({ ...shape, inputs: stateWidth(exits, classes) + 1 }, 3);
  const rule = { temperatures: [1.9, 1.6, 1.4, 1.2], priorWeights: [0, 0.2, 0.3, 0.5] };
  const agent = { ...shape, ...rule, weights, exits, classes, lambdaRange: { from: 0.01, to: 1 } };
  return {
    policy: { agent, costs: COSTS, lambda: 0.1, calibration: [], validation: syntheticTable(200, 5) },
    table: syntheticTable(150, 6),
    classes: CLASSES,
    dataset: { name: "made up", split: "test", sha256: "00ff" },
    splitSeed: 1,
    runtime,
  };
}

export async function madeUpReport(runtime: Runtime): Promise<ReportData> {
  const { figures, details } = await detailOnTable(tableEvaluation(runtime));
  const evaluation: DetailedEvaluation = { ...figures, ...details };
  return {
    name: "runs/<b>made up</b>",
    facts: [["blueprint", HOSTILE[1]!]],
    probes: [0.1, 0.4, 0.7].map((share, i) => ({ cut: HOSTILE[i]!, share, accuracy: share + 0.2, chosen: i !== 1 })),
    metrics: [...trainLines(), ...learnLines()].map((line) => JSON.stringify(line)).join("\n"),
    evaluation,
    examples: figures.exits.map(({ exit }) => ({
      exit,
      pictures: exit === 4 ? [] : HOSTILE.map((label) => ({ png: RED_PIXEL, label, answer: "cat", confidence: 0.5 })),
    })),
    suspects: HOSTILE.map((name) => ({ png: RED_PIXEL, name, label: name, answer: "cat", confidence: 0.9 })),
    missing: ["One thing is missing, and how to get it."],
  };
}

function trainLines(): object[] {
  return Array.from({ length: 40 }, (_, i) => ({
    kind: "train",
    step: 10 * (i + 1),
    steps: 400,
    epoch: (i + 1) / 10,
    epochs: 4,
    loss: 2 / (1 + i / 10),
    accuracy: [0.2, 0.3, 0.4, 0.5].map((one) => one + i / 100),
    learningRate: 0.01 * (1 - i / 40),
    gradientNorm: 1,
    imagesPerSecond: 100 + (i % 7),
    secondsLeft: 40 - i,
    ...(i % 10 === 9 ? { validationAccuracy: [0.25, 0.35, 0.45, 0.55].map((one) => one + i / 100) } : {}),
  }));
}

function learnLines(): object[] {
  return Array.from({ length: 12 }, (_, i) => ({
    kind: "learn",
    step: 500 * (i + 1),
    steps: 6000,
    epsilon: 1 - i / 20,
    loss: 0.05,
    return: 0.75 - 0.1 / (i + 1),
    best: 0.75 - 0.1 / (i + 1),
    optimal: 0.755,
    exitShares: [0.4, 0.3, 0.2, 0.1],
  }));
}
