/**
 * What each exit answers: its head's logits and the answer of the exit before, weighed against each other.
 *
 *     p_k = softmax(z_k / T_k + w_k log p_{k-1}),  w_0 = 0
 *
 * so the answer before is the prior of the next one. With w = 0 this is temperature scaling. It costs a few additions per image.
 * Heads of one network make different mistakes: together they are right more often, and know better when they are.
 *
 * Letters: N images, B batch, E exits, K classes, k exit, z logits, p probabilities, T temperature, w weight of the prior.
 *
 * @see Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2, for T
 * @see Wolczyk et al., "Zero Time Waste" (NeurIPS 2021), eq. 3, for geometric means of exits; theirs has a weight for each pair of
 *   exits and a bias for each class, learned with the network; here what was said before comes in as one, and T and w are fitted
 *   exit by exit on images that the network was not trained on
 */
import { add, scale } from "../graph/elementwise.ts";
import { scaledProduct } from "../graph/linear.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { ExitTable } from "./exit-table.ts";

/** How heads become answers. */
export interface AnswerRule {
  /** [E] T_k */
  readonly temperatures: readonly number[];
  /** [E] w_k, at least 0 */
  readonly priorWeights: readonly number[];
}

/** An exit table after its rule: what the agent sees, what is right or wrong, how sure it is. */
export interface AnswerTable extends Omit<ExitTable, "logits"> {
  /** [N, E, K] log p_k */
  readonly logProbabilities: Float32Array;
}

/** 1 / T and w are searched within these. */
const SHARPNESS = { from: 0.05, to: 20 };
const PRIOR = { from: 0, to: 4 };
const MOST_STEPS = 50;
/** The search ends where a step gains less than this, in nats. */
const LEAST_GAIN = 1e-10;

/** The heads as they are. */
export function plainRule(exits: number): AnswerRule {
  return { temperatures: new Array<number>(exits).fill(1), priorWeights: new Array<number>(exits).fill(0) };
}

/**
 * log p_k but for one number per image, which no softmax sees, as graph code. The temperature goes into the head's own product.
 *
 * @param logits [B, K] z_k
 * @param before [B, K] the same of the exit before, or log p_{k-1}; null at exit 0
 * @returns [B, K]
 */
export function exitScores(
  { temperatures, priorWeights }: AnswerRule,
  exit: number,
  logits: Tensor,
  before: Tensor | null,
): Tensor {
  const [own, weight] = [scaledProduct(logits, 1 / temperatures[exit]!), priorWeights[exit]!];
  return before && weight > 0 ? add(own, scale(before, weight)) : own;
}

/** The answers of every exit to every image. @throws {RangeError} if the rule is not for as many exits */
export function answersOf({ logits, ...table }: ExitTable, rule: AnswerRule): AnswerTable {
  const { exits } = table;
  if (rule.temperatures.length !== exits || rule.priorWeights.length !== exits)
    throw new RangeError(
      `answers: a rule for ${exits} exits expected, found ${rule.temperatures.length} temperatures and ` +
        `${rule.priorWeights.length} weights`,
    );
  const logProbabilities = new Float32Array(logits.length);
  for (let exit = 0; exit < exits; exit++) answerAt({ logits, ...table }, rule, exit, logProbabilities);
  return { ...table, logProbabilities };
}

/** The index, counted from `from`, of the largest of `count` values, the first one at a tie. */
export function largest(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[from + i]! > values[from + best]!) best = i;
  return best;
}

/**
 * The rule under which the labels are likeliest: exit by exit, the T_k and w_k that minimise the mean of -log p_k[label], given the
 * exits before. In (1 / T, w) that is convex; Newton's method within 1 / T = 0.05..20 and w = 0..4, a coordinate at rest where it
 * would leave them.
 *
 * @param table the validation images: images that the network was not trained on
 * @throws {RangeError} if the table is empty
 */
export function fitAnswers(table: ExitTable): AnswerRule {
  if (table.count === 0) throw new RangeError("fitAnswers: at least 1 image expected, found 0");
  const rule = { temperatures: [] as number[], priorWeights: [] as number[] };
  const logProbabilities = new Float32Array(table.logits.length);
  for (let exit = 0; exit < table.exits; exit++) {
    const { sharpness, prior } = likeliest(table, exit, logProbabilities);
    rule.temperatures.push(1 / sharpness);
    rule.priorWeights.push(prior);
    answerAt(table, rule, exit, logProbabilities);
  }
  return rule;
}

/** Mean of -log p_k[label] at one exit, in nats. */
export function negativeLogLikelihood(answers: AnswerTable, exit: number): number {
  const { logProbabilities, labels, count, exits, classes } = answers;
  let sum = 0;
  for (let i = 0; i < count; i++) sum -= logProbabilities[(i * exits + exit) * classes + labels[i]!]!;
  return sum / count;
}

/** Writes log p_k of one exit; those of the exit before stand there already. @param into [N, E, K] */
function answerAt(table: ExitTable, rule: AnswerRule, exit: number, into: Float32Array): void {
  const { logits, count, exits, classes } = table;
  const [sharpness, prior] = [1 / rule.temperatures[exit]!, rule.priorWeights[exit]!];
  const scores = new Float64Array(classes);
  for (let i = 0; i < count; i++) {
    const from = (i * exits + exit) * classes;
    let top = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) {
      scores[c] = sharpness * logits[from + c]! + (exit > 0 ? prior * into[from - classes + c]! : 0);
      top = Math.max(top, scores[c]!);
    }
    let total = 0;
    for (let c = 0; c < classes; c++) total += Math.exp(scores[c]! - top);
    const logTotal = top + Math.log(total);
    for (let c = 0; c < classes; c++) into[from + c] = scores[c]! - logTotal;
  }
}

interface Point {
  readonly sharpness: number;
  readonly prior: number;
}

/** Mean negative log-likelihood at a point, its slopes by sharpness and prior, and its second derivatives. */
interface Likelihood {
  readonly loss: number;
  readonly slopes: Point;
  readonly curvature: { readonly sharpness: number; readonly both: number; readonly prior: number };
}

/** @param answers [N, E, K] whose log p_{k-1} are there */
function likeliest(table: ExitTable, exit: number, answers: Float32Array): Point {
  const mostPrior = exit > 0 ? PRIOR.to : PRIOR.from;
  const within = ({ sharpness, prior }: Point): Point => ({
    sharpness: Math.min(SHARPNESS.to, Math.max(SHARPNESS.from, sharpness)),
    prior: Math.min(mostPrior, Math.max(PRIOR.from, prior)),
  });
  let at: Point = { sharpness: 1, prior: PRIOR.from };
  let here = likelihoodAt(table, exit, answers, at);
  for (let n = 0; n < MOST_STEPS; n++) {
    const step = newtonStep(here, at, mostPrior);
    const before = here.loss;
    for (let size = 1; size > 1e-3 && !(here.loss < before); size /= 2) {
      const next = within({ sharpness: at.sharpness + size * step.sharpness, prior: at.prior + size * step.prior });
      const there = likelihoodAt(table, exit, answers, next);
      if (there.loss < before) [at, here] = [next, there];
    }
    if (!(before - here.loss > LEAST_GAIN)) break;
  }
  return at;
}

/** -H^-1 g over the coordinates that may move: one at its border that would leave it rests. */
function newtonStep({ slopes, curvature }: Likelihood, at: Point, mostPrior: number): Point {
  const rests = (value: number, slope: number, from: number, to: number): boolean =>
    (value <= from && slope >= 0) || (value >= to && slope <= 0);
  const restsSharpness = rests(at.sharpness, slopes.sharpness, SHARPNESS.from, SHARPNESS.to);
  const restsPrior = rests(at.prior, slopes.prior, PRIOR.from, mostPrior);
  const ridge = 1e-9 * (curvature.sharpness + curvature.prior) + Number.MIN_VALUE; // two that say the same
  const [a, b, d] = [curvature.sharpness + ridge, curvature.both, curvature.prior + ridge];
  if (restsSharpness || restsPrior)
    return { sharpness: restsSharpness ? 0 : -slopes.sharpness / a, prior: restsPrior ? 0 : -slopes.prior / d };
  const determinant = a * d - b * b;
  return {
    sharpness: (b * slopes.prior - d * slopes.sharpness) / determinant,
    prior: (b * slopes.sharpness - a * slopes.prior) / determinant,
  };
}

/** Slopes are means of E_p[x] - x[label], second derivatives means of cov_p(x, x'), x being z_k or log p_{k-1}. */
function likelihoodAt(table: ExitTable, exit: number, answers: Float32Array, { sharpness, prior }: Point): Likelihood {
  const { logits, labels, count, exits, classes } = table;
  const [own, scores] = [new Float64Array(classes), new Float64Array(classes)];
  const before = new Float64Array(classes); // stays 0 at exit 0
  let [loss, ofOwn, ofPrior, ownOwn, ownPrior, priorPrior] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const from = (i * exits + exit) * classes;
    let top = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) {
      own[c] = logits[from + c]!;
      if (exit > 0) before[c] = answers[from - classes + c]!;
      scores[c] = sharpness * own[c]! + prior * before[c]!;
      top = Math.max(top, scores[c]!);
    }
    let [total, meanOwn, meanPrior, squareOwn, product, squarePrior] = [0, 0, 0, 0, 0, 0];
    for (let c = 0; c < classes; c++) {
      const [p, x, y] = [Math.exp(scores[c]! - top), own[c]! - own[0]!, before[c]! - before[0]!];
      total += p;
      meanOwn += p * x;
      meanPrior += p * y;
      squareOwn += p * x * x;
      product += p * x * y;
      squarePrior += p * y * y;
    }
    [meanOwn, meanPrior] = [meanOwn / total, meanPrior / total];
    const label = labels[i]!;
    loss += top + Math.log(total) - scores[label]!;
    ofOwn += meanOwn - (own[label]! - own[0]!);
    ofPrior += meanPrior - (before[label]! - before[0]!);
    ownOwn += squareOwn / total - meanOwn * meanOwn;
    ownPrior += product / total - meanOwn * meanPrior;
    priorPrior += squarePrior / total - meanPrior * meanPrior;
  }
  return {
    loss: loss / count,
    slopes: { sharpness: ofOwn / count, prior: ofPrior / count },
    curvature: { sharpness: ownOwn / count, both: ownPrior / count, prior: priorPrior / count },
  };
}
