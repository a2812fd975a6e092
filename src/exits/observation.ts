/**
 * What the agent sees, as graph code. The same functions turn an exit table into states for learning and are built into
 * every stage that is used for inference, so that both see the same numbers.
 *
 * Letters: B batch, N images, K classes, E exits, F features per exit, S width of a state, D = S + 1 width of an observation.
 *
 *     state o_k without lambda:  exit index, one-hot [E] | cost spent [1] | features of exits 0..E-1 [E * F], zeros for those to come
 *     observation o_k:           state [S] | scaled log lambda [1]
 *     features of one exit [F]:  confidence | margin | entropy (nats) | top min(3, K) probabilities | agrees with the exit before
 */
import { reduceSum } from "../graph/broadcast.ts";
import { add, compare, exp, log, multiply, negate, scale, subtract } from "../graph/elementwise.ts";
import { concat, slice } from "../graph/layout.ts";
import { logSoftmax, softmax } from "../graph/loss.ts";
import { constant, input, integers, nodes, scalar, show, type Tensor } from "../graph/tensor.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AnswerTable } from "./answers.ts";
import type { ExitCosts } from "./exit-table.ts";

/** Columns of one exit's features. */
export const FEATURE = { confidence: 0, margin: 1, entropy: 2, probabilities: 3 } as const;

/** Images per run of `observations`: enough to keep the processor busy, small enough for its caches. */
const IMAGES_PER_RUN = 1024;

/** F: confidence, margin, entropy, the largest min(3, K) probabilities, agreement. */
export function featureCount(classes: number): number {
  return 3 + Math.min(3, classes) + 1;
}

/** S: the width of a state, that is of an observation without its lambda. */
export function stateWidth(exits: number, classes: number): number {
  return exits + 1 + exits * featureCount(classes);
}

/** The column of a state in which the features of exit `exit` begin. */
export function featureColumn(exits: number, classes: number, exit: number): number {
  return exits + 1 + exit * featureCount(classes);
}

/**
 * What the agent sees of one exit's answer p, see `AnswerRule`:
 * max p; max p minus the second largest p; -sum p log p; the largest min(3, K) of p, falling; 1 if the largest
 * class is that of the exit before, else 0 (0 at exit 0, which has none before it).
 *
 * @param logProbabilities [B, K] with K at least 2
 * @param previousTopClass [B, 1] what this function gave for the exit before, null at exit 0
 * @returns features [B, F] and topClass [B, 1], the index of the largest one (the lower one at a tie) as a float
 * @throws {RangeError} if the probabilities are not [B, K] with K at least 2
 */
export function exitFeatures(
  logProbabilities: Tensor,
  previousTopClass: Tensor | null,
): { features: Tensor; topClass: Tensor } {
  const { negentropy, largest, agrees, topClass } = answerParts(logProbabilities, previousTopClass);
  const confidence = slice(largest, 1, 0, 1);
  const margin = subtract(confidence, slice(largest, 1, 1, 2));
  const agreement = agrees ?? columns([0], confidence);
  return { features: concat([confidence, margin, negate(negentropy), largest, agreement], 1), topClass };
}

/**
 * The same in as few numbers as tell it: sum p log p | the largest min(3, K) of p, falling | but for exit 0, whether the
 * largest class is that of the exit before. The features are sums of these, see `featuresOfAnswer`.
 *
 * @param scores [B, K], see `exitScores`
 * @returns probabilities [B, K], answer, whose columns are `answerCount` together, and topClass [B, 1]
 */
export function exitAnswer(
  scores: Tensor,
  previousTopClass: Tensor | null,
): { probabilities: Tensor; answer: readonly Tensor[]; topClass: Tensor } {
  const probabilities = softmax(scores);
  const { negentropy, largest, agrees, topClass } = answerParts(logSoftmax(scores), previousTopClass, probabilities);
  return { probabilities, answer: [negentropy, largest, ...(agrees ? [agrees] : [])], topClass };
}

/**
 * Some of the same numbers, all of which the exit tells without those before it.
 *
 * @param scores [B, K], see `exitScores`
 * @param parts which of them: 0 is sum p log p; of the probabilities, from 1 on, the largest come first and none is left out
 */
export function ownNumbers(
  scores: Tensor,
  parts: readonly number[],
): { probabilities: Tensor; answer: readonly Tensor[] } {
  const probabilities = softmax(scores);
  const count = parts.filter((part) => part > 0).length;
  return {
    probabilities,
    answer: [
      ...(parts.includes(0) ? [negativeEntropy(probabilities, logSoftmax(scores))] : []),
      ...(count > 0 ? [topK(probabilities, count).values] : []),
    ],
  };
}

/** A_k: how many numbers tell exit k's answer. */
export function answerCount(classes: number, exit: number): number {
  return 1 + Math.min(3, classes) + (exit > 0 ? 1 : 0);
}

/** [F] rows of [A_k]: how much of each number of an answer is in each feature. */
export function featuresOfAnswer(classes: number, exit: number): number[][] {
  const top = Math.min(3, classes);
  const row = (parts: Record<number, number>): number[] =>
    Array.from({ length: answerCount(classes, exit) }, (_, a) => parts[a] ?? 0);
  const probabilities = Array.from({ length: top }, (_, i) => row({ [1 + i]: 1 }));
  return [row({ 1: 1 }), row({ 1: 1, 2: -1 }), row({ 0: -1 }), ...probabilities, row(exit > 0 ? { [1 + top]: 1 } : {})];
}

function answerParts(logProbabilities: Tensor, previousTopClass: Tensor | null, probabilities = exp(logProbabilities)) {
  const { shape } = logProbabilities;
  const classes = shape[1] ?? 0;
  if (shape.length !== 2 || classes < 2)
    throw new RangeError(`exitFeatures: probabilities [B, K] with K at least 2 expected, found ${show(shape)}`);
  const negentropy = negativeEntropy(probabilities, logProbabilities);
  const { values: largest, indices } = topK(probabilities, Math.min(3, classes)); // [B, min(3, K)]
  const topClass = slice(indices, 1, 0, 1);
  const agrees = previousTopClass && compare(topClass, "Equal", previousTopClass);
  return { negentropy, largest, agrees, topClass };
}

/** sum p log p [B, 1] */
function negativeEntropy(probabilities: Tensor, logProbabilities: Tensor): Tensor {
  return reduceSum(multiply(probabilities, logProbabilities), [1], true);
}

/** The `count` largest of each row, falling, and where they stand (as floats); the lower index first at a tie. */
function topK(x: Tensor, count: number): { values: Tensor; indices: Tensor } {
  const shape = [x.shape[0]!, count];
  const [values, indices] = nodes("TopK", [x, integers([count])], { axis: 1, largest: 1, sorted: 1 }, [
    { shape, type: "float32" },
    { shape, type: "int64" },
  ]) as [Tensor, Tensor];
  return { values, indices: nodes("Cast", [indices], { to: 1 }, [{ shape, type: "float32" }])[0]! };
}

/** The same numbers in every row: [B, values.length]. `like` [B, 1] is at least 0 and tells the batch, which no constant may hold. */
function columns(values: readonly number[], like: Tensor): Tensor {
  return add(compare(like, "Less", scalar(-1)), constant(values, [1, values.length]));
}

export interface StateParts {
  /** the exit reached, 0..E-1 */
  readonly exit: number;
  /** [E] `costShares(costs)` */
  readonly costShares: readonly number[];
  /** [B, exit * F] features of the exits before, null at exit 0 */
  readonly history: Tensor | null;
  /** [B, F] features of this exit */
  readonly features: Tensor;
}

/**
 * The state at one exit, [B, S], made of what has been computed so far and nothing else.
 *
 * @throws {RangeError} if the history does not fit the exit
 */
export function exitState({ exit, costShares, history, features }: StateParts): Tensor {
  const exits = costShares.length;
  const perExit = features.shape[1]!;
  if ((history?.shape[1] ?? 0) !== exit * perExit)
    throw new RangeError(
      `exitState: history [B, ${exit * perExit}] expected at exit ${exit}, found ${history ? show(history.shape) : "none"}`,
    );
  const confidence = slice(features, 1, 0, 1);
  const position = costShares.map((_, k) => (k === exit ? 1 : 0));
  const toCome = (exits - 1 - exit) * perExit;
  return concat(
    [
      columns([...position, costShares[exit]!], confidence),
      ...(history ? [history] : []),
      features,
      ...(toCome > 0 ? [columns(Array<number>(toCome).fill(0), confidence)] : []),
    ],
    1,
  );
}

/**
 * The observation [B, D]: the state and the dial.
 *
 * @param state [B, S]
 * @param lambda [B, 1] price of the full network in units of one correct answer, above 0
 */
export function observation(state: Tensor, lambda: Tensor): Tensor {
  return concat([state, dialTensor(lambda)], 1);
}

/** Lambda as the agent sees it, the dial: 1 + log10(lambda), which is -1 at 0.01, 0 at 0.1 and 1 at 1. */
export function dialOf(lambda: number): number {
  return 1 + Math.log10(lambda);
}

/** The same as graph code, of lambda's shape. */
export function dialTensor(lambda: Tensor): Tensor {
  return add(scale(log(lambda), Math.LOG10E), scalar(1));
}

/** [E] c_k / c_{E-1}: the cost up to and including each exit as a share of the last exit's. */
export function costShares({ exitMacs }: ExitCosts): number[] {
  return exitMacs.map((macs) => macs / exitMacs.at(-1)!);
}

/**
 * The states of every image at every exit, [N, E, S].
 *
 * @throws {RangeError} if costs are not one per exit
 */
export async function observations(runtime: Runtime, answers: AnswerTable, costs: ExitCosts): Promise<Float32Array> {
  const { count, exits, classes } = answers;
  if (costs.exitMacs.length !== exits)
    throw new RangeError(`observations: ${exits} costs expected, found ${costs.exitMacs.length}`);
  const row = exits * classes;
  const logProbabilities = input("logProbabilities", [1, row]);
  const program = await Program.compile(runtime, {
    outputs: { states: allStates(logProbabilities, classes, costShares(costs)) },
    anyBatch: true,
  });
  const width = exits * stateWidth(exits, classes);
  const result = new Float32Array(count * width);
  try {
    for (let from = 0; from < count; from += IMAGES_PER_RUN) {
      const part = answers.logProbabilities.subarray(from * row, Math.min(count, from + IMAGES_PER_RUN) * row);
      const { states } = await program.run({ logProbabilities: part });
      result.set(states!, from * width);
    }
  } finally {
    await program.close();
  }
  return result;
}

/** [B, E * K] log p -> [B, E * S] */
function allStates(logProbabilities: Tensor, classes: number, shares: readonly number[]): Tensor {
  let history: Tensor | null = null;
  let previous: Tensor | null = null;
  const states: Tensor[] = [];
  for (const exit of shares.keys()) {
    const own = slice(logProbabilities, 1, exit * classes, (exit + 1) * classes);
    const { features, topClass } = exitFeatures(own, previous);
    states.push(exitState({ exit, costShares: shares, history, features }));
    history = history ? concat([history, features], 1) : features;
    previous = topClass;
  }
  return concat(states, 1);
}
