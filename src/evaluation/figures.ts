import { type AnswerRule, type AnswerTable, answersOf, plainRule } from "../exits/answers.ts";
import { confidences, expectedCalibrationError } from "../exits/calibration.ts";
import { correctAnswers } from "../exits/environment.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import type { Choice } from "../policy/choice.ts";
import type { YardstickFigures } from "./comparison.ts";
import { bootstrapIntervals, type Interval, type OutcomeIntervals, wilsonInterval } from "./intervals.ts";
import { outcomeKinds, summarise, tallyOutcomes } from "./outcome.ts";

/** One exit. Confidence is the largest probability of its answer, see `AnswerRule`. */
export interface ExitFigures {
  /** 1..E, as printed (an index into `exits` is one less) */
  readonly exit: number;
  /** of the images that left here, 0..1 */
  readonly share: number;
  /** of the images that left here, 0..1; null if none did */
  readonly accuracy: number | null;
  /** of all images at this exit, 0..1 */
  readonly accuracyIfAlways: number;
  /** of leaving here */
  readonly costMacs: number;
  /** of the images that left here, 0..1; null if none did */
  readonly meanConfidence: number | null;
  /** of the images that left here, divided by their number (0 for one image); null if none did */
  readonly stdConfidence: number | null;
  /** expected calibration error of this exit on all images, 0..1 */
  readonly ece: number;
  /** the same before any rule, of softmax(logits) */
  readonly eceUnscaled: number;
}

/** One class. The figures are null where the split has no image of it. */
export interface ClassFigures {
  readonly name: string;
  readonly samples: number;
  /** 0..1 */
  readonly accuracy: number | null;
  /** 95%, Wilson */
  readonly accuracyInterval: Interval | null;
  /** [E] share of the class's images that left at each exit */
  readonly exitShares: readonly number[] | null;
  /** [E] 0..1 */
  readonly accuracyIfAlways: readonly number[] | null;
}

/** What follows from decisions on an exit table. Accuracy, shares and savings are 0..1; cost is MACs per image. */
export interface DecisionFigures {
  readonly samples: number;
  readonly accuracy: number;
  /** Mean of the classes' accuracies, of those that have images: what uneven classes do not change. */
  readonly balancedAccuracy: number;
  readonly costMacs: { readonly mean: number /** backbone and last head alone */; readonly full: number };
  /** 1 - mean / full cost */
  readonly savings: number;
  /** mean of (E - exit) / (E - 1), exit 1..E: the published proxy */
  readonly depthSavings: number;
  /** accuracy in percent x savings */
  readonly effectiveness: number;
  /** accuracy in percent x depth savings: the published effectiveness */
  readonly depthEffectiveness: number;
  /** 95%, bootstrap over images */
  readonly intervals: OutcomeIntervals;
  /** [E] */
  readonly exits: readonly ExitFigures[];
  /** [K] */
  readonly classes: readonly ClassFigures[];
}

/** What `evaluate --json` prints. */
export interface EvaluationFigures extends DecisionFigures {
  readonly policy: {
    readonly name: string;
    readonly lambda: number;
    /** What the agent was learned with (a model of before that was kept: what its network was trained with). */
    readonly seed: number;
  };
  readonly yardsticks: readonly YardstickFigures[];
  /** Somebody else's network as it came, on the same images; its accuracy is null where it tells other classes apart. Absent where it is ours. */
  readonly original?: { readonly accuracy: number | null; readonly costMacs: number };
  /** The same with its last head refitted and no exits: what exits are to be compared with. */
  readonly adapted?: { readonly accuracy: number; readonly costMacs: number };
  /** What is to be known about the figures. */
  readonly notes?: readonly string[];
  /** Why what decides in the model does; absent for policies of earlier versions. */
  readonly choice?: Choice;
  /** What `costMacs` counts everywhere in here, for example "ms"; absent: MACs. */
  readonly costUnit?: string;
  readonly dataset: {
    readonly name: string;
    readonly split: string;
    readonly sha256: string;
    /** Pictures of the whole data set that could not be read; absent where all could. */
    readonly leftOut?: number;
  };
  /** Of the bootstrap and of the random yardstick. */
  readonly seed: number;
  readonly version: string;
}

export interface Decisions {
  /** exit table of the split that is evaluated: N images, E exits, K classes */
  readonly table: ExitTable;
  /** [N] exit taken for each image, 0..E-1 */
  readonly exits: Uint8Array;
  readonly costs: ExitCosts;
  /** [K] names */
  readonly classes: readonly string[];
  /** by which logits become answers */
  readonly rule: AnswerRule;
  /** of the bootstrap; default 0 */
  readonly seed?: number;
}

/**
 * Every figure that follows from the decisions of a policy.
 *
 * @throws {RangeError} if the table is empty, an exit is not below E, or the lengths do not fit each other
 */
export function evaluateExits(decisions: Decisions): DecisionFigures {
  const { table, rule, exits, costs, seed = 0 } = decisions;
  checkLengths(decisions);
  const answers = answersOf(table, rule);
  const unscaled = answersOf(table, plainRule(table.exits));
  const correct = correctAnswers(answers);
  const kinds = outcomeKinds(exits, correct, table.exits);
  const { accuracy, costMacs, savings, depthSavings, effectiveness, depthEffectiveness, exitShares } = summarise(
    tallyOutcomes(kinds, table.exits),
    costs,
  );
  const classes = decisions.classes.map((name, label) => classFigures(name, label, decisions, correct));
  return {
    samples: table.count,
    accuracy,
    balancedAccuracy: meanOf(classes.flatMap((one) => (one.accuracy === null ? [] : [one.accuracy]))),
    costMacs: { mean: costMacs, full: costs.fullMacs },
    savings,
    depthSavings,
    effectiveness,
    depthEffectiveness,
    intervals: bootstrapIntervals(kinds, costs, seed),
    exits: exitShares.map((share, exit) => exitFigures(decisions, answers, unscaled, exit, share)),
    classes,
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function exitFigures(
  { table, exits, costs }: Decisions,
  answers: AnswerTable,
  unscaled: AnswerTable,
  exit: number,
  share: number,
): ExitFigures {
  const { confidence, correct } = confidences(answers, exit);
  const alone = confidences(unscaled, exit);
  const left = Array.from(exits.keys()).filter((i) => exits[i] === exit);
  const mean = (of: (image: number) => number): number => left.reduce((sum, i) => sum + of(i), 0) / left.length;
  const meanConfidence = mean((i) => confidence[i]!);
  const variance = mean((i) => (confidence[i]! - meanConfidence) ** 2);
  return {
    exit: exit + 1,
    share,
    accuracy: left.length ? mean((i) => correct[i]!) : null,
    accuracyIfAlways: correct.reduce((sum, right) => sum + right, 0) / table.count,
    costMacs: costs.exitMacs[exit]!,
    meanConfidence: left.length ? meanConfidence : null,
    stdConfidence: left.length ? Math.sqrt(variance) : null,
    ece: expectedCalibrationError(confidence, correct),
    eceUnscaled: expectedCalibrationError(alone.confidence, alone.correct),
  };
}

function classFigures(
  name: string,
  label: number,
  { table, exits: taken }: Decisions,
  correct: Uint8Array,
): ClassFigures {
  const { labels, count, exits } = table;
  const left = new Array<number>(exits).fill(0);
  const rightAlways = new Array<number>(exits).fill(0);
  let [samples, right] = [0, 0];
  for (let i = 0; i < count; i++) {
    if (labels[i] !== label) continue;
    samples++;
    left[taken[i]!]!++;
    right += correct[i * exits + taken[i]!]!;
    for (let exit = 0; exit < exits; exit++) rightAlways[exit]! += correct[i * exits + exit]!;
  }
  if (samples === 0)
    return { name, samples, accuracy: null, accuracyInterval: null, exitShares: null, accuracyIfAlways: null };
  return {
    name,
    samples,
    accuracy: right / samples,
    accuracyInterval: wilsonInterval(right, samples),
    exitShares: left.map((images) => images / samples),
    accuracyIfAlways: rightAlways.map((images) => images / samples),
  };
}

function checkLengths({ table, costs, classes }: Decisions): void {
  const found = `${costs.exitMacs.length} and ${classes.length}`;
  if (costs.exitMacs.length !== table.exits || classes.length !== table.classes)
    throw new RangeError(
      `evaluation: ${table.exits} costs and ${table.classes} class names expected (of the table), found ${found}`,
    );
}
