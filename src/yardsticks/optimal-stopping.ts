import { correctAt, type Episodes, statesAt } from "../exits/episodes.ts";
import { fitRidge, predictRidge, type Ridge } from "../exits/ridge.ts";
import { permutation, seededRandom } from "../random.ts";
import { addTree, type Boosted, fitBoosted, predictBoosted } from "./boosting.ts";

const FOLDS = 5;
const RIDGE_PENALTY = 100;
/** Of these trees as many are kept as predict best; see `crossFit`. */
const TREES = { trees: 150, rate: 0.05 };

/** A line, and trees for what the line leaves over. */
interface Regressor {
  readonly line: Ridge;
  readonly trees: Boosted;
}

/** One regressor per fold, each of which has not seen that fold. */
type CrossFitted = readonly Regressor[];

/** What does not depend on lambda. */
export interface StoppingProblem {
  readonly episodes: Episodes;
  /** [E] of [N, S] */
  readonly states: readonly Float32Array[];
  /** [N] which fold an image belongs to */
  readonly fold: Uint8Array;
  /** [E] of [N]: out-of-fold estimate of P(the exit's answer is right | o_k) */
  readonly rightOutOfFold: readonly Float64Array[];
}

/** The rule of optimal stopping for one lambda. */
export interface StoppingRule {
  readonly lambda: number;
  /** [E - 1] estimates of what going on gains, before its cost */
  readonly gains: readonly CrossFitted[];
}

/** Fits P(right | o_k) at every exit, once for all lambdas. @param episodes of the validation images, at least 50 images */
export function prepareStopping(episodes: Episodes, seed = 0): StoppingProblem {
  if (episodes.count < 50)
    throw new RangeError(`optimal stopping: at least 50 images expected to fit on, found ${episodes.count}`);
  const fold = new Uint8Array(episodes.count);
  permutation(seededRandom(seed, 0xf01d), episodes.count).forEach((image, at) => {
    fold[image] = at % FOLDS;
  });
  const exits = Array.from({ length: episodes.exits }, (_, k) => k);
  const states = exits.map((exit) => statesAt(episodes, exit));
  const rightOutOfFold = exits.map((exit) => {
    const right = correctAt(episodes, exit);
    return outOfFold(crossFit(states[exit]!, right, fold), states[exit]!, fold);
  });
  return { episodes, states, fold, rightOutOfFold };
}

/**
 * Optimal stopping by backward induction, for k = E-2 down to 0, with V_{E-1} = P(right_{E-1} | o_{E-1}):
 *
 *     G_k = E[V_{k+1} - right_k | o_k]                     what going on gains, fitted to the images
 *     V_k = P(right_k | o_k) + max(0, G_k - lambda * (c_{k+1} - c_k) / c_{E-1})
 *     stop at k unless G_k > lambda * (c_{k+1} - c_k) / c_{E-1}
 *
 * The difference is fitted, not its two terms: on most images both are equal, so it varies much less. Everything
 * that enters a target (V_{k+1}) is predicted by a regressor that has not seen the image, else the maximum would
 * count noise as gain. The rule itself averages the regressors of all folds.
 *
 * This estimates what an ideal agent would reach with these observations; an agent may be above it by noise.
 *
 * @see Longstaff and Schwartz, "Valuing American Options by Simulation" (2001); here cross-fitted, and V_{k+1} enters as its
 * estimate, not as the return that came: less noise at the price of some bias (0.003 better on synthetic tables)
 */
export function solveStopping(problem: StoppingProblem, lambda: number): StoppingRule {
  const { episodes, states, fold, rightOutOfFold } = problem;
  const { exits, shares } = episodes;
  const gains: CrossFitted[] = [];
  let value = rightOutOfFold[exits - 1]!;
  for (let exit = exits - 2; exit >= 0; exit--) {
    const right = correctAt(episodes, exit);
    const fitted = crossFit(
      states[exit]!,
      value.map((v, i) => v - right[i]!),
      fold,
    );
    const gain = outOfFold(fitted, states[exit]!, fold);
    const price = lambda * (shares[exit + 1]! - shares[exit]!);
    value = rightOutOfFold[exit]!.map((p, i) => p + Math.max(0, gain[i]! - price));
    gains[exit] = fitted;
  }
  return { lambda, gains };
}

/** The exit [N] that the rule takes for each image. */
export function stoppingExits(episodes: Episodes, { lambda, gains }: StoppingRule): Uint8Array {
  const { count, shares } = episodes;
  const expected = gains.map((fitted, exit) => average(fitted, statesAt(episodes, exit), count));
  return Uint8Array.from({ length: count }, (_, i) => {
    let exit = 0;
    while (exit < gains.length && expected[exit]![i]! > lambda * (shares[exit + 1]! - shares[exit]!)) exit++;
    return exit;
  });
}

/**
 * One regressor per fold, fitted to the other folds. The number of trees is the one at which the squared error, all folds
 * taken together, on the images left out is least: a single number, chosen from all images.
 */
function crossFit(x: Float32Array, y: Float64Array, fold: Uint8Array): CrossFitted {
  const width = x.length / y.length;
  const errors = new Float64Array(TREES.trees + 1);
  const full = Array.from({ length: FOLDS }, (_, left) => {
    const kept = rowsWhere(fold, (one) => one !== left);
    const regressor = fitRegressor(
      selectRows(x, kept, width),
      Float64Array.from(kept, (i) => y[i]!),
      left,
    );
    const own = rowsWhere(fold, (one) => one === left);
    addErrors(
      regressor,
      selectRows(x, own, width),
      Float64Array.from(own, (i) => y[i]!),
      errors,
    );
    return regressor;
  });
  const best = errors.indexOf(Math.min(...errors));
  return full.map(({ line, trees }) => ({ line, trees: { ...trees, trees: trees.trees.slice(0, best) } }));
}

/** Adds the squared error of y with the first t trees to `errors[t]`, for every t. */
function addErrors({ line, trees }: Regressor, x: Float32Array, y: Float64Array, errors: Float64Array): void {
  const predicted = predict({ line, trees: { ...trees, trees: [] } }, x, y.length);
  for (let t = 0; t < errors.length; t++) {
    const tree = trees.trees[t - 1];
    if (tree) addTree(tree, x, predicted);
    for (let i = 0; i < y.length; i++) errors[t]! += (y[i]! - predicted[i]!) ** 2;
  }
}

function fitRegressor(x: Float32Array, y: Float64Array, seed: number): Regressor {
  const line = fitRidge(x, y, RIDGE_PENALTY);
  const straight = predictRidge(line, x, y.length);
  const rest = y.map((value, i) => value - straight[i]!);
  return { line, trees: fitBoosted(x, rest, { ...TREES, seed }) };
}

function predict({ line, trees }: Regressor, x: Float32Array, count: number): Float64Array {
  const straight = predictRidge(line, x, count);
  const rest = predictBoosted(trees, x, count);
  return straight.map((value, i) => value + rest[i]!);
}

/** [N] each image predicted by the regressor that has not seen it. */
function outOfFold(fitted: CrossFitted, x: Float32Array, fold: Uint8Array): Float64Array {
  const width = x.length / fold.length;
  const result = new Float64Array(fold.length);
  fitted.forEach((regressor, left) => {
    const own = rowsWhere(fold, (one) => one === left);
    const predicted = predict(regressor, selectRows(x, own, width), own.length);
    own.forEach((i, at) => {
      result[i] = predicted[at]!;
    });
  });
  return result;
}

/** [N] mean prediction of all folds. */
function average(fitted: CrossFitted, x: Float32Array, count: number): Float64Array {
  const sum = new Float64Array(count);
  for (const regressor of fitted)
    predict(regressor, x, count).forEach((value, i) => {
      sum[i]! += value / fitted.length;
    });
  return sum;
}

function rowsWhere(fold: Uint8Array, holds: (one: number) => boolean): Uint32Array {
  return Uint32Array.from(fold.keys()).filter((i) => holds(fold[i]!));
}

function selectRows(x: Float32Array, rows: Uint32Array, width: number): Float32Array {
  const selected = new Float32Array(rows.length * width);
  rows.forEach((from, to) => {
    selected.set(x.subarray(from * width, (from + 1) * width), to * width);
  });
  return selected;
}
