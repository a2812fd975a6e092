/** What comes out: the answer for one image, and how it came about. */
import { largest } from "../exits/answers.ts";
import { answerCount, dialOf } from "../exits/observation.ts";
import { ACTIONS } from "../policy/q-network.ts";
import type { AnyValues, Values } from "../runtime/program.ts";

/** What happened at one exit on the way. */
export interface ExitTrace {
  /** 1..E */
  readonly exit: number;
  /** The answer so far: index of the class. */
  readonly classIndex: number;
  /** [K] of this exit, in which the exits before have a say, see `AnswerRule` */
  readonly probabilities: readonly number[];
  /** Top-1 probability. */
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
  /** One of the model's classes, whatever the image shows; "unsure" where `precise` was asked for and this is not sure enough. */
  readonly label: string;
  /** No class is named, see `StartOptions.precise`; always false without it. */
  readonly unsure: boolean;
  /** The likeliest class, named or not. */
  readonly classIndex: number;
  /** [K] at the exit taken */
  readonly probabilities: readonly number[];
  readonly confidence: number;
  /** The exit taken, 1..E. */
  readonly exit: number;
  readonly stoppedBy: StoppedBy;
  /** The same in numbers and words, one sentence. */
  readonly reason: string;
  /** MACs spent, heads passed and decisions included. */
  readonly costMacs: number;
  /** From the numbers of the image to the answer, without decoding, waiting or making sessions; of the whole batch where there was one. */
  readonly latencyMs: number;
  /** Reading and decoding the image, scaling included; of the whole batch where there was one. */
  readonly readMs: number;
  readonly trace: readonly ExitTrace[];
}

/** Which stage gave an answer. */
export interface AnsweringStage {
  /** 0..E-1: stages are counted from 0 in here; `readTrace` makes of it the number that is told. */
  readonly exit: number;
  readonly isLast: boolean;
  /** K */
  readonly classes: number;
  /** See `DecisionLayers`. */
  readonly looksBack: boolean;
}

/** How many numbers tell of one exit, see `exitRow`. */
export function answerWidth({ exit, isLast, classes, looksBack }: AnsweringStage): number {
  return isLast ? classes : classes + (looksBack ? answerCount(classes, exit) : 0) + ACTIONS;
}

/**
 * What is told of one exit, see `exitRow`.
 *
 * @param from where in `answers` that begins
 * @param isLate no further stage may be begun: the image leaves here, whatever the agent wants
 * @throws {Error} if the network gave something that is not a number
 */
export function readTrace(answers: Float32Array, from: number, stage: AnsweringStage, isLate: boolean): ExitTrace {
  const { isLast, classes } = stage;
  const exit = stage.exit + 1;
  const q = from + answerWidth(stage) - ACTIONS;
  const qContinue = isLast ? null : answers[q]!;
  const qExit = isLast ? null : answers[q + 1]!;
  const classIndex = largest(answers, from, classes);
  const top = answers[from + classIndex]!;
  // plain loops: every picture waits for this, and it is fifteen times as fast as with callbacks
  const probabilities = new Array<number>(classes);
  let total = 0;
  for (let c = 0; c < classes; c++) total += probabilities[c] = Math.exp(answers[from + c]! - top);
  for (let c = 0; c < classes; c++) probabilities[c]! /= total;
  const confidence = probabilities[classIndex]!;
  if (!Number.isFinite(qExit ?? confidence))
    throw new Error(`classifier: finite numbers expected, found ${qExit ?? confidence} at exit ${exit}`);
  let [second, entropy] = [0, Math.log(total)];
  for (let c = 0; c < classes; c++) {
    const p = probabilities[c]!;
    if (c !== classIndex && p > second) second = p;
    if (p > 0) entropy -= p * (answers[from + c]! - top);
  }
  return {
    exit,
    classIndex,
    probabilities,
    confidence,
    margin: confidence - second,
    entropy,
    qExit,
    qContinue,
    exited: isLate || isLast || qExit! >= qContinue!,
  };
}

/**
 * The way of one image from the rows of all exits, one after the other, as far as it went.
 *
 * @param answers [sum over exits of `answerWidth`] what `nestedGraph` gives
 */
export function readPath(
  answers: Float32Array,
  exits: number,
  told: Pick<AnsweringStage, "classes" | "looksBack">,
): ExitTrace[] {
  const path: ExitTrace[] = [];
  for (let exit = 0, from = 0; exit < exits; exit++) {
    const stage = { exit, isLast: exit === exits - 1, ...told };
    const trace = readTrace(answers, from, stage, false);
    path.push(trace);
    if (trace.exited) break;
    from += answerWidth(stage);
  }
  return path;
}

/** Why an image whose trace ends here left. */
export function stoppedBy({ qExit, qContinue }: ExitTrace): StoppedBy {
  if (qExit === null || qContinue === null) return "last exit";
  return qExit >= qContinue ? "policy" : "deadline";
}

/** What stands before the name of a stage's input where the stage before gives it. */
export const NEXT = "next:";

/** What a stage takes: maps of whatever type, beside what the agent knows. */
export type StageFeeds = AnyValues & { readonly seen: Float32Array };
/** What a stage gives: its answer, and maps of whatever type for the next one. */
export type StageResults = AnyValues & { readonly answer: Float32Array };

/** What the first stage takes: normalised images, and the dial for each. @param x [rows, C, H, W] */
export function firstFeeds(x: Float32Array, rows: number, lambda: number): Values & { readonly seen: Float32Array } {
  return { x, seen: new Float32Array(rows).fill(dialOf(lambda)) };
}

/**
 * What the next stage takes: of the images that go on, maps, what the agent saw and the answer so far.
 *
 * @param feeds what this stage took
 * @param results what it gave; its maps are those of `goOn` already
 * @param goOn the rows that the agent sends on
 */
export function handedOn(
  feeds: StageFeeds,
  results: StageResults,
  stage: AnsweringStage,
  rows: number,
  goOn: readonly number[],
): StageFeeds {
  const { exit, classes, looksBack } = stage;
  const width = answerWidth(stage);
  const known = feeds.seen.length / rows;
  const told = looksBack ? answerCount(classes, exit) : 0;
  const { answer } = results;
  const seen = new Float32Array(goOn.length * (known + told));
  const topClass = new Float32Array(goOn.length);
  const before = new Float32Array(goOn.length * classes);
  for (let i = 0, to = 0; i < goOn.length; i++) {
    const row = goOn[i]!;
    const from = row * width;
    for (let j = 0; j < known; j++) seen[to++] = feeds.seen[row * known + j]!;
    for (let j = 0; j < told; j++) seen[to++] = answer[from + classes + j]!;
    topClass[i] = largest(answer, from, classes);
    before.set(answer.subarray(from, from + classes), i * classes);
  }
  const next = Object.entries(results).flatMap(([name, values]) =>
    name.startsWith(NEXT) ? [[name.slice(NEXT.length), values] as const] : [],
  );
  return { ...Object.fromEntries(next), seen, topClass, before };
}
