/** What comes out: the answer for one image, and how it came about. */
import { FEATURE } from "../policy/observation.ts";
import type { Values } from "../runtime/program.ts";

/** What happened at one exit on the way. */
export interface ExitTrace {
  /** 0..E-1 */
  readonly exit: number;
  /** The head's answer so far: index of the class. */
  readonly classIndex: number;
  /** [K] of this head, temperature-scaled */
  readonly probabilities: Float32Array;
  /** Top-1 probability, temperature-scaled. */
  readonly confidence: number;
  /** Top-1 minus top-2 probability. */
  readonly margin: number;
  /** In nats. */
  readonly entropy: number;
  /** What the agent expects from leaving: its chance of being right; null at the last exit, where it is not asked. */
  readonly qExit: number | null;
  /** What it expects from going on: its chance of being right minus the price still to pay; null at the last exit. */
  readonly qContinue: number | null;
  /** The image left here. */
  readonly exited: boolean;
}

/** Why no further stage was computed: the agent decided so, the next one would have come too late, or there is none. */
export type StoppedBy = "policy" | "deadline" | "last exit";

export interface Classification {
  /** One of the model's classes, whatever the image shows. */
  readonly label: string;
  readonly classIndex: number;
  /** [K] at the exit taken, temperature-scaled */
  readonly probabilities: Float32Array;
  readonly confidence: number;
  /** The exit taken, 0..E-1. */
  readonly exit: number;
  readonly stoppedBy: StoppedBy;
  /** MACs spent, heads passed and decisions included. */
  readonly costMacs: number;
  /** From the numbers of the image to the answer, without decoding or waiting; of the whole batch where there was one. */
  readonly latencyMs: number;
  readonly trace: readonly ExitTrace[];
}

/**
 * One row of what a stage gave.
 *
 * @param isLate no further stage may be begun: the image leaves here, whatever the agent wants
 * @throws {Error} if the network gave something that is not a number
 */
export function readTrace(results: Values, exit: number, row: number, rows: number, isLate: boolean): ExitTrace {
  const { probabilities, exitFeatures, q, exitNow } = results;
  const features = row * (exitFeatures!.length / rows);
  const confidence = exitFeatures![features + FEATURE.confidence]!;
  const qContinue = q ? q[2 * row]! : null;
  const qExit = q ? q[2 * row + 1]! : null;
  if (!Number.isFinite(qExit ?? confidence))
    throw new Error(`classifier: finite numbers expected, found ${qExit ?? confidence} at exit ${exit + 1}`);
  return {
    exit,
    classIndex: largest(probabilities!, row, rows),
    probabilities: rowOf(probabilities!, row, rows),
    confidence,
    margin: exitFeatures![features + FEATURE.margin]!,
    entropy: exitFeatures![features + FEATURE.entropy]!,
    qExit,
    qContinue,
    exited: isLate || !exitNow || exitNow[row] === 1,
  };
}

/** Why an image whose trace ends at this exit left there. */
export function stoppedBy({ exitNow }: Values, row: number): StoppedBy {
  if (!exitNow) return "last exit";
  return exitNow[row] === 1 ? "policy" : "deadline";
}

/** The column of the largest value in one row, the first one at a tie. */
function largest(values: Float32Array, row: number, rows: number): number {
  const width = values.length / rows;
  const from = row * width;
  let best = from;
  for (let i = from + 1; i < from + width; i++) if (values[i]! > values[best]!) best = i;
  return best - from;
}

/** One row of [B, ...]: a copy, unless it is all there is. */
export function rowOf(values: Float32Array, row: number, rows: number): Float32Array {
  if (rows === 1) return values;
  const width = values.length / rows;
  return values.slice(row * width, (row + 1) * width);
}

const HANDED_ON = ["x", "history", "topClass"] as const;

/** What the next stage takes: the rows that go on, gathered; nothing is copied where all do. */
export function handedOn(results: Values, rows: number, goOn: readonly number[]): Values {
  const feeds: Values = {};
  for (const name of HANDED_ON) {
    const values = results[`next:${name}`];
    if (values) feeds[name] = goOn.length === rows ? values : gatherRows(values, rows, goOn);
  }
  return feeds;
}

function gatherRows(values: Float32Array, rows: number, wanted: readonly number[]): Float32Array {
  const width = values.length / rows;
  const gathered = new Float32Array(wanted.length * width);
  wanted.forEach((row, i) => {
    gathered.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return gathered;
}
