/**
 * Tuned thresholds for every lambda: what everybody else deploys, with the same dial as the agent. They are tuned at some lambdas and go
 * straight from one to the next over log lambda. Letters: L lambdas, E exits.
 */
import { accuraciesOf, returnOf } from "../exits/environment.ts";
import type { Episodes } from "../exits/episodes.ts";
import { type LambdaRange, lambdaGrid } from "../exits/lambda-grid.ts";
import {
  SCORES,
  type Score,
  type ThresholdRule,
  thresholdExits,
  tuneSharedThreshold,
  tuneThresholds,
} from "./thresholds.ts";

export interface ThresholdDial {
  readonly score: Score;
  /** [L] rising */
  readonly lambdas: readonly number[];
  /** [L][E - 1]; see `ThresholdRule` */
  readonly thresholds: readonly (readonly number[])[];
}

/** Lambdas at which thresholds are tuned: neighbours differ by 1.7 times over the default range. */
const TUNED_LAMBDAS = 15;
/** Random beginnings of each tuning, besides the fixed exits. */
const STARTS = 3;
/** Beyond every score, on either side: thresholds stay numbers that can be gone between. */
const LIMITS: Readonly<Record<Score, readonly [low: number, high: number]>> = {
  confidence: [-0.01, 1.01],
  margin: [-0.01, 1.01],
  entropy: [-0.01, 12],
};

/**
 * A threshold for each exit; or, for few images, one for all of them (`tuneSharedThreshold`) on a dial that begins carefully: at its
 * smallest lambda every image leaves at the exit that is right most often, and the tuned rule is reached half way.
 */
export type Tuning = "each" | "shared";

/** Thresholds on one score, tuned over the range of lambda. */
export function tuneThresholdDial(
  episodes: Episodes,
  score: Score,
  range: LambdaRange,
  tuning: Tuning = "each",
): ThresholdDial {
  const lambdas = lambdaGrid(range, TUNED_LAMBDAS);
  const [low, high] = LIMITS[score];
  const tuned = (lambda: number): ThresholdRule =>
    tuning === "shared"
      ? tuneSharedThreshold(episodes, score, lambda)
      : tuneThresholds(episodes, score, lambda, { starts: STARTS });
  const thresholds = lambdas.map((lambda) => tuned(lambda).thresholds.map((one) => Math.min(high, Math.max(low, one))));
  if (tuning === "each") return { score, lambdas, thresholds };
  const careful = leavingAt(score, thresholds[0]!.length, mostAccurate(episodes));
  const half = lambdas.length >> 1;
  return { score, lambdas, thresholds: thresholds.map((one, l) => between(careful, one, Math.min(1, l / half))) };
}

/** 0..E-1, of equals the cheapest. */
function mostAccurate({ correct, exits }: Episodes): number {
  const accuracies = accuraciesOf(correct, exits);
  return accuracies.indexOf(Math.max(...accuracies));
}

/** [E - 1] thresholds with which every image leaves at `exit`. */
function leavingAt(score: Score, count: number, exit: number): number[] {
  const [low, high] = LIMITS[score];
  const [always, never] = score === "entropy" ? [high, low] : [low, high];
  return Array.from({ length: count }, (_, k) => (k === exit ? always : never));
}

function between(from: readonly number[], to: readonly number[], share: number): number[] {
  return to.map((one, k) => one * share + from[k]! * (1 - share));
}

/** The dial whose mean return over its lambdas, on the images that it was tuned on, is highest; the first one at a tie. */
export function bestThresholdDial(episodes: Episodes, range: LambdaRange, tuning: Tuning = "each"): ThresholdDial {
  const dials = SCORES.map((score) => tuneThresholdDial(episodes, score, range, tuning));
  const worth = dials.map((dial) => {
    const returns = dial.lambdas.map((lambda) =>
      returnOf(dialExits(episodes, dial, lambda), episodes.correct, episodes.shares, lambda),
    );
    return returns.reduce((sum, one) => sum + one, 0) / returns.length;
  });
  return dials[worth.indexOf(Math.max(...worth))]!;
}

/** The dial, but at its smallest lambda every image leaves at `exit`, 0..E-1. */
export function beginsAtExit(dial: ThresholdDial, exit: number): ThresholdDial {
  const first = leavingAt(dial.score, dial.thresholds[0]!.length, exit);
  return { ...dial, thresholds: [first, ...dial.thresholds.slice(1)] };
}

/** The thresholds at one lambda; outside the lambdas tuned, those of the nearest. */
export function thresholdsAt({ score, lambdas, thresholds }: ThresholdDial, lambda: number): ThresholdRule {
  const above = lambdas.findIndex((one) => one >= lambda);
  if (above === 0) return { score, thresholds: thresholds[0]! };
  if (above < 0) return { score, thresholds: thresholds.at(-1)! };
  const [from, to] = [lambdas[above - 1]!, lambdas[above]!];
  const share = Math.log(lambda / from) / Math.log(to / from);
  return { score, thresholds: between(thresholds[above - 1]!, thresholds[above]!, share) };
}

/** The exit [N] for each image at one lambda. */
export function dialExits(episodes: Episodes, dial: ThresholdDial, lambda: number): Uint8Array {
  return thresholdExits(episodes, thresholdsAt(dial, lambda));
}
