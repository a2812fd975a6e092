/** What comes out: the answer for one image, and how it came about. */
import { answerCount, dialOf } from "../policy/observation.ts";
import { ACTIONS } from "../policy/q-network.ts";
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

/** Which stage gave an answer. */
export interface AnsweringStage {
  /** 0..E-1 */
  readonly exit: number;
  readonly isLast: boolean;
  /** K */
  readonly classes: number;
}

/**
 * One row of a stage's `answer` [rows, K + A_k + 2], see `stageGraphs`.
 *
 * @param isLate no further stage may be begun: the image leaves here, whatever the agent wants
 * @throws {Error} if the network gave something that is not a number
 */
export function readTrace(
  { answer }: Values,
  { exit, isLast, classes }: AnsweringStage,
  row: number,
  isLate: boolean,
): ExitTrace {
  const told = classes + answerCount(classes, isLast ? 0 : exit); // nobody asks the last one whether it agrees
  const width = told + (isLast ? 0 : ACTIONS);
  const from = row * width;
  const [negentropy, confidence, second] = answer!.subarray(from + classes) as unknown as [number, number, number];
  const qContinue = isLast ? null : answer![from + told]!;
  const qExit = isLast ? null : answer![from + told + 1]!;
  if (!Number.isFinite(qExit ?? confidence))
    throw new Error(`classifier: finite numbers expected, found ${qExit ?? confidence} at exit ${exit + 1}`);
  const probabilities = answer!.slice(from, from + classes);
  return {
    exit,
    classIndex: largest(probabilities),
    probabilities,
    confidence,
    margin: confidence - second,
    entropy: -negentropy,
    qExit,
    qContinue,
    exited: isLate || isLast || qExit! >= qContinue!,
  };
}

/** Why an image whose trace ends here left. */
export function stoppedBy({ qExit, qContinue }: ExitTrace): StoppedBy {
  if (qExit === null || qContinue === null) return "last exit";
  return qExit >= qContinue ? "policy" : "deadline";
}

/** The index of the largest value, the first one at a tie. */
function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** What the first stage takes: normalised images, and the dial for each. @param x [rows, C, H, W] */
export function firstFeeds(x: Float32Array, rows: number, lambda: number): Values {
  return { x, seen: new Float32Array(rows).fill(dialOf(lambda)) };
}

/**
 * What the next stage takes: the rows that go on, gathered; maps are not copied where all do.
 *
 * @param feeds what this stage took
 * @param results what it gave
 * @param goOn the rows that go on, of `rows`
 */
export function handedOn(
  feeds: Values,
  results: Values,
  { exit, classes }: AnsweringStage,
  rows: number,
  goOn: readonly number[],
): Values {
  const next = results["next:x"];
  if (!next) return {};
  const { answer } = results;
  const width = answer!.length / rows;
  const known = feeds.seen!.length / rows;
  const told = answerCount(classes, exit);
  const seen = new Float32Array(goOn.length * (known + told));
  const topClass = new Float32Array(goOn.length);
  for (const [i, row] of goOn.entries()) {
    const from = row * width;
    seen.set(feeds.seen!.subarray(row * known, (row + 1) * known), i * (known + told));
    seen.set(answer!.subarray(from + classes, from + classes + told), i * (known + told) + known);
    topClass[i] = largest(answer!.subarray(from, from + classes));
  }
  return { x: goOn.length === rows ? next : gatherRows(next, rows, goOn), seen, topClass };
}

function gatherRows(values: Float32Array, rows: number, wanted: readonly number[]): Float32Array {
  const width = values.length / rows;
  const gathered = new Float32Array(wanted.length * width);
  wanted.forEach((row, i) => {
    gathered.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return gathered;
}
