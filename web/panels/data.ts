/**
 * What the panels show, as plain JSON: the lines of a run's `metrics.jsonl` and its `evaluation.json`.
 * Letters: E exits, K classes.
 */
import type {
  DqnProgress,
  EvaluationDetails,
  EvaluationFigures,
  LambdaPoint,
  TrainingProgress,
} from "../../src/index.ts";
import type { SuspectPicture } from "../../src/report/report-data.ts";

export type TrainLine = TrainingProgress;
export type LearnLine = { readonly kind: "learn" } & DqnProgress;
export type EvaluateLine = { readonly kind: "evaluate" } & EvaluationFigures;

/** One line of `metrics.jsonl`. */
export type RunLine = TrainLine | LearnLine | EvaluateLine;

/** `evaluation.json`, or the figures of a model that has no more: panels without their data are left out. */
export type Evaluation = EvaluationFigures & Partial<EvaluationDetails>;

/** `suspects.json`. */
export type Suspects = readonly SuspectPicture[];

export interface CurvePoint {
  readonly lambda: number;
  /** 0..1 */
  readonly accuracy: number;
  /** mean over images, in the unit of the policy's costs */
  readonly costMacs: number;
}

/** What a policy reaches for each lambda, lambdas rising; one point for a policy that has no dial. */
export interface Curve {
  /** "dqn" or the name of a yardstick */
  readonly name: string;
  readonly points: readonly CurvePoint[];
}

/** The agent's curve on validation, from the `calibration` in a model's `model.json`. */
export function calibrationCurve(calibration: readonly LambdaPoint[]): Curve {
  const points = calibration.map(({ lambda, accuracy, meanMacs }) => ({ lambda, accuracy, costMacs: meanMacs }));
  return { name: "dqn", points };
}

/** One line of `metrics.jsonl`; null where it is none of those that are drawn, or not whole yet. */
export function readLine(text: string): RunLine | null {
  let line: Record<string, unknown> | null;
  try {
    line = JSON.parse(text);
  } catch {
    return null; // the last line of a run that is being written
  }
  const kind = String(line?.kind);
  if (!line || !Object.hasOwn(FIELDS, kind)) return null;
  const fields = FIELDS[kind as RunLine["kind"]];
  const fits = Object.entries(fields).every(([name, test]) => test(line[name]));
  return fits ? (line as unknown as RunLine) : null;
}

/** What `evaluation.json` holds; null where it is nothing that can be drawn. */
export function readEvaluation(value: unknown): Evaluation | null {
  const found = value as Record<string, unknown> | null;
  const fits = found && Object.entries(FIELDS.evaluate).every(([name, test]) => test(found[name]));
  return fits ? (value as Evaluation) : null;
}

/** All lines of a `metrics.jsonl`. */
export function readLines(text: string): RunLine[] {
  return text.split("\n").flatMap((line) => readLine(line) ?? []);
}

const isNumber = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value);
/** What is drawn takes its time for each of them; nothing of ours has more. */
const MOST_EXITS = 256;
const isList = (value: unknown): value is unknown[] => Array.isArray(value) && value.length <= MOST_EXITS;
const isNumbers = (value: unknown): boolean => isList(value) && value.every(isNumber);
const isClassList = (value: unknown): boolean => Array.isArray(value) && value.length <= 65_536;

/** What only some lines have. */
const isMaybeNumbers = (value: unknown): boolean => value === undefined || isNumbers(value);

/** What is drawn without another look. */
const FIELDS: Record<RunLine["kind"], Record<string, (value: unknown) => boolean>> = {
  train: {
    step: isNumber,
    steps: isNumber,
    epoch: isNumber,
    epochs: isNumber,
    loss: isNumber,
    accuracy: isNumbers,
    learningRate: isNumber,
    imagesPerSecond: isNumber,
    secondsLeft: isNumber,
    validationAccuracy: isMaybeNumbers,
  },
  learn: {
    step: isNumber,
    steps: isNumber,
    epsilon: isNumber,
    loss: isNumber,
    return: isNumber,
    best: isNumber,
    exitShares: isNumbers,
  },
  evaluate: { accuracy: isNumber, exits: isList, classes: isClassList, yardsticks: isList },
};

/** The training as it was last: a resumed one repeats the steps after its checkpoint, and the later line counts. */
export function trainLines(lines: readonly RunLine[]): TrainLine[] {
  return lastRound(lines.filter((line) => line.kind === "train"));
}

/** The last learning of the policy. */
export function learnLines(lines: readonly RunLine[]): LearnLine[] {
  return lastRound(lines.filter((line) => line.kind === "learn"));
}

function lastRound<Line extends { readonly step: number }>(lines: readonly Line[]): Line[] {
  const kept: Line[] = [];
  for (const line of lines) {
    while (kept.length > 0 && kept.at(-1)!.step >= line.step) kept.pop();
    kept.push(line);
  }
  return kept;
}

/** At most `limit` groups of neighbours, equally large but for the last. */
export function groups<Line>(lines: readonly Line[], limit: number): Line[][] {
  const size = Math.max(1, Math.ceil(lines.length / limit));
  return Array.from({ length: Math.ceil(lines.length / size) }, (_, i) => lines.slice(i * size, (i + 1) * size));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
