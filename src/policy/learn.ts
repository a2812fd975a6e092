/** From an exit table to a policy with its dial, on whatever runtime there is. */
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { answersOf } from "../exits/answers.ts";
import { accuraciesOf, exitAccuracies } from "../exits/environment.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import { lambdaGrid } from "../exits/lambda-grid.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  beginsAtExit,
  bestThresholdDial,
  type ThresholdDial,
  tuneThresholdDial,
} from "../yardsticks/threshold-dial.ts";
import type { Score } from "../yardsticks/thresholds.ts";
import type { Agent } from "./agent.ts";
import { chooseDecider, LEAST_TO_LEARN } from "./choice.ts";
import { crossFit, episodesOf, FOLDS, type OutOfFold, thresholdRewards } from "./cross-fit.ts";
import { type Decider, decidingAgent } from "./decider.ts";
import { type DqnOptions, type DqnProgress, trainAgent } from "./dqn.ts";
import { dqnOptions } from "./dqn-options.ts";
import {
  expectedLoss,
  isLikelySmall,
  isSurelySmall,
  keepsAccuracy,
  keepsPromise,
  type LambdaPoint,
  lambdaPoint,
  SWEEP_POINTS,
  sweepLambda,
} from "./lambda-calibration.ts";
import { checkLearnable, finiteAgent } from "./learnable.ts";
import type { LearnedPolicy } from "./learned-policy.ts";

export interface LearnHooks {
  /** See `DqnOptions` for each of them. */
  readonly options?: Partial<DqnOptions>;
  /** Who decides in the end: what validation says ("auto", the default), the agent, or thresholds (the best score, or one). */
  readonly decider?: "auto" | "threshold" | Decider;
  readonly onProgress?: (progress: DqnProgress) => void;
  readonly signal?: AbortSignal;
}

export interface LearnOptions extends LearnHooks {
  /** Exit table of images that the network was not trained on. */
  readonly table: ExitTable;
  readonly costs: ExitCosts;
  /** What the costs count, for example "MACs". */
  readonly costUnit: string;
  /** Decides which images are in which fold. */
  readonly splitSeed: number;
  readonly runtime: Runtime;
  /** Fewer are refused; default 50. */
  readonly leastImages?: number;
}

/** What `prepareYardsticks` needs. */
const LEAST_IMAGES = 50;
/**
 * Below, what is learned from is the chance that an answer is right, a recommended lambda has to be sure of what it gives up, and a dial is
 * known too roughly not to say so.
 */
const FEW_IMAGES = 2000;

/**
 * All images fit the answers' rule, the agent and the thresholds that are returned; who of the two decides, and the dial, follow from folds
 * (`crossFit`), in which every image is decided on by what has not seen it.
 *
 * @throws {UserError} if there are too few images
 */
export async function learnOnTable(given: LearnOptions): Promise<LearnedPolicy> {
  const { table, costs, costUnit, splitSeed, runtime, decider: wanted = "auto", signal, onProgress } = given;
  const { leastImages = LEAST_IMAGES } = given;
  if (table.count < leastImages)
    throw new UserError(
      `learn: at least ${leastImages} images expected, found ${table.count}; yardsticks cannot be fitted to fewer, give more`,
    );
  checkLearnable(table, costs, "learn");
  const rewards = table.count < FEW_IMAGES ? "expected" : "answers";
  const options = dqnOptions({ rewards, ...given.options, ...(signal ? { signal } : {}) });
  const part = (n: number): DqnOptions => ({ ...options, ...(onProgress ? { onProgress: told(n, onProgress) } : {}) });
  const agent = finiteAgent((await trainAgent(runtime, table, null, costs, part(0))).agent);
  const tuning = table.count < LEAST_TO_LEARN ? "shared" : "each";
  const episodes = await episodesOf(runtime, table, agent, costs, thresholdRewards(tuning, options.rewards));
  const score = scoreWanted(wanted);
  const range = agent.lambdaRange;
  const thresholds = score
    ? tuneThresholdDial(episodes, score, range, tuning)
    : bestThresholdDial(episodes, range, tuning);
  const lambdas = lambdaGrid(range, SWEEP_POINTS);
  const outOfFold = await crossFit({
    runtime,
    table,
    costs,
    lambdas,
    score: thresholds.score,
    tuning,
    options: (fold) => part(fold + 1),
    seed: splitSeed,
  });
  const dial = await chosenDial({ runtime, agent, thresholds, table, costs, lambdas, outOfFold, wanted, splitSeed });
  return { agent, costs, costUnit, seed: options.seed, ...dial, validation: table };
}

interface Learned {
  readonly runtime: Runtime;
  readonly agent: Agent;
  readonly thresholds: ThresholdDial;
  readonly table: ExitTable;
  readonly costs: ExitCosts;
  readonly lambdas: readonly number[];
  readonly outOfFold: OutOfFold;
  readonly wanted: NonNullable<LearnHooks["decider"]>;
  readonly splitSeed: number;
}

/**
 * Who decides, calibrated, and the recommended lambda: the largest that surely gives up little, else the smallest that is at least no
 * worse than the best fixed exit, else that exit: the dial of the thresholds begins with it. Where "auto" is wanted, thresholds may do
 * what the agent cannot.
 */
async function chosenDial(learned: Learned) {
  const { thresholds, costs, lambdas, outOfFold, wanted, splitSeed } = learned;
  const threshold: Decider = `threshold:${thresholds.score}`;
  const kind = wanted === "auto" || wanted === "dqn" ? wanted : "threshold";
  const { decider, choice } = chooseDecider(outOfFold, costs, lambdas, { threshold, wanted: kind, seed: splitSeed });
  const own = await dialOfDecider(learned, decider);
  if (own.found !== null || wanted !== "auto") return finished(own, decider, choice.reason);
  const other = decider === "dqn" ? await dialOfDecider(learned, threshold) : own;
  if (other.found !== null) return finished(other, threshold, `${AT_NO_LAMBDA}; tuned thresholds decide`);
  if (own.careful !== null) return finished(own, decider, choice.reason);
  if (other.careful !== null) return finished(other, threshold, `${AT_NO_LAMBDA}; tuned thresholds decide`);
  const before = decider === "dqn" ? "" : `${choice.reason}; `;
  const fixed = leavingAt(learned, own.bestFixed);
  const reason = `${before}${AT_NO_LAMBDA}; exit ${own.bestFixed + 1} is taken at the smallest lambda, tuned thresholds decide beyond`;
  return {
    ...finished(await dialOfDecider({ ...learned, ...fixed }, threshold), threshold, reason),
    thresholds: fixed.thresholds,
  };

  function finished({ calibration, found, careful }: Dial, by: Decider, reason: string) {
    const lambda = found ?? careful ?? lambdas[0]!;
    const point = calibration.find((one) => one.lambda === lambda)!;
    const warnings = [
      ...choice.warnings,
      ...warningsOf(point, choice.images, found !== null),
      ...savingsElsewhere(point, calibration, choice.images),
    ];
    return { thresholds, decider: by, choice: { ...choice, reason, warnings }, calibration, lambda };
  }
}

const AT_NO_LAMBDA = "at no lambda is what the best fixed exit gives surely kept on validation";

/** Thresholds whose dial begins with a fixed exit, and what they decide out of fold. */
function leavingAt({ thresholds, outOfFold }: Learned, exit: number): Pick<Learned, "thresholds" | "outOfFold"> {
  const [first, ...others] = outOfFold.thresholds;
  return {
    thresholds: beginsAtExit(thresholds, exit),
    outOfFold: { ...outOfFold, thresholds: [new Uint8Array(first!.length).fill(exit), ...others] },
  };
}

interface Dial {
  /** by what had not seen the images */
  readonly calibration: readonly LambdaPoint[];
  /** The largest lambda that keeps its promise, out of fold and for what is deployed, and surely gives up little; null if none does. */
  readonly found: number | null;
  /** The smallest that is no worse than the best fixed exit in either, and likely gives up little; null if none is. */
  readonly careful: number | null;
  /** 0..E-1, the most accurate exit with the rule for answers that is deployed; of equals the cheapest. */
  readonly bestFixed: number;
}

async function dialOfDecider(learned: Learned, decider: Decider): Promise<Dial> {
  const { runtime, table, costs, lambdas, outOfFold } = learned;
  const exits = decider === "dqn" ? outOfFold.agent : outOfFold.thresholds;
  const calibration = lambdas.map((lambda, l) => lambdaPoint(lambda, exits[l]!, outOfFold.correct, costs));
  const fixed = accuraciesOf(outOfFold.correct, table.exits);
  const keeps = keepsPromise(calibration, costs, fixed);
  const deployed = decidingAgent({ ...learned, decider });
  const answers = answersOf(table, deployed);
  const inUse = await sweepLambda(runtime, deployed, answers, costs);
  const fixedInUse = exitAccuracies(answers);
  const keepsInUse = keepsPromise(inUse, costs, fixedInUse);
  // Of many images the answers themselves tell what is given up. The expected loss trusts one exit's opinion of the others, and is too careful.
  // Of fewer than an agent takes nothing is ever that sure: then a loss is to be likely small, and a warning says how little is known.
  const lost = table.count < FEW_IMAGES ? exits.map((chosen) => expectedLoss(chosen, outOfFold.expected)) : null;
  const isSmall = table.count < LEAST_TO_LEARN ? isLikelySmall : isSurelySmall;
  const isSure = (l: number): boolean => lost === null || isSmall(lost[l]!);
  const isCareful = (l: number): boolean =>
    keepsAccuracy(calibration[l]!, fixed) &&
    keepsAccuracy(inUse[l]!, fixedInUse) &&
    (lost === null || isLikelySmall(lost[l]!));
  return {
    calibration,
    found: lambdas.findLast((_, l) => keeps[l] && keepsInUse[l] && isSure(l)) ?? null,
    careful: lambdas.find((_, l) => isCareful(l)) ?? null,
    bestFixed: fixedInUse.indexOf(Math.max(...fixedInUse)),
  };
}

function warningsOf({ accuracy }: LambdaPoint, images: number, keeps: boolean): string[] {
  const points = 196 * Math.sqrt((accuracy * (1 - accuracy)) / images);
  return [
    ...(images < FEW_IMAGES
      ? [
          `few validation images (${images}): accuracy at the recommended lambda is known to within ${points.toFixed(1)} points`,
        ]
      : []),
    ...(keeps
      ? []
      : [
          "at no lambda is it sure that what the best exit gets right is kept on images not learned from; the most careful one is recommended",
        ]),
  ];
}

/** Of the cost. */
const LITTLE_SAVED = 0.05;
/** Of the images, or one image. */
const LITTLE_LOST = 0.01;

/** A recommended lambda that saves next to nothing hides that a larger one may save much for little. */
function savingsElsewhere(
  { accuracy, savings }: LambdaPoint,
  calibration: readonly LambdaPoint[],
  images: number,
): string[] {
  const least = accuracy - Math.max(LITTLE_LOST, 1 / images) - 1e-9;
  const found = calibration.findLast((one) => one.accuracy >= least);
  if (savings >= LITTLE_SAVED || !found || found.savings < savings + LITTLE_SAVED) return [];
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  return [
    `next to nothing is saved at the recommended lambda; lambda ${Number(found.lambda.toPrecision(2))} saves ${percent(found.savings)} and gets ` +
      `${percent(found.accuracy)} of the validation images right (${percent(accuracy)} at the recommended one)`,
  ];
}

function scoreWanted(wanted: string): Score | null {
  return wanted.startsWith("threshold:") ? (wanted.slice("threshold:".length) as Score) : null;
}

/** The agent of all images comes first, then those of the folds: one count of steps for all. */
function told(part: number, onProgress: (progress: DqnProgress) => void): (progress: DqnProgress) => void {
  return (one) => onProgress({ ...one, step: part * one.steps + one.step, steps: (FOLDS + 1) * one.steps });
}

/** The dial of an agent, from images that it was not fitted to. */
export async function calibrated(runtime: Runtime, agent: Agent, selected: ExitTable, costs: ExitCosts) {
  const answers = answersOf(selected, agent);
  const calibration = await sweepLambda(runtime, agent, answers, costs);
  const keeps = keepsPromise(calibration, costs, exitAccuracies(answers));
  return { calibration, lambda: calibration[Math.max(0, keeps.lastIndexOf(true))]!.lambda };
}

/**
 * The validation split. The pictures that somebody else's network was calibrated with may be any part of their set.
 *
 * @throws {UserError} if it is not the one that the network was kept away from
 */
export function heldOut(
  { provenance, original }: StagedNetwork,
  { name, train, validation: own, test }: Dataset,
): Samples {
  const expected = provenance.dataset.sha256.validation;
  const validation = original ? ([own, test, train].find((one) => one?.sha256 === expected) ?? own) : own;
  if (!validation || validation.sha256 !== expected)
    throw new UserError(
      `learn: the validation split that the network was kept away from expected (SHA-256 ${expected?.slice(0, 12)}...), ` +
        `found ${validation ? `${validation.sha256.slice(0, 12)}...` : "none"} in ${name}; give the data that the network was trained on`,
    );
  return validation;
}
