/** The agent learns on: from new labelled images, and only if that makes it better. */
import { stratifiedSplit } from "../dataset/split.ts";
import { UserError } from "../errors.ts";
import { answersOf } from "../exits/answers.ts";
import { correctAnswers } from "../exits/environment.ts";
import { type ExitCosts, type ExitTable, tableSubset } from "../exits/exit-table.ts";
import { lambdaGrid } from "../exits/lambda-grid.ts";
import { costShares } from "../exits/observation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { columnMeans, pairedBootstrap } from "../yardsticks/paired-bootstrap.ts";
import { type Agent, greedyExits, qValues } from "./agent.ts";
import { type DqnOptions, trainAgent } from "./dqn.ts";
import { dqnOptions } from "./dqn-options.ts";
import { hasExitUnits } from "./exit-units.ts";
import { checkLearnable, finiteAgent } from "./learnable.ts";
import { besideOptimal } from "./optimal-return.ts";

/**
 * Half judges: what feedback is short of is not what the agent learns from but what tells its gain from chance. Of the other half four
 * fifths are learned from, the rest selects.
 */
const JUDGE_SHARE = 0.5;
const SELECT_SHARE = 0.2;
/**
 * What differs from `DQN_DEFAULTS`. The images are few and the start is good: small steps, more of them, and both actions' outcomes,
 * which frozen logits tell, learned from at every state. Measured in docs/history/exit-policy.md, "It learns on".
 */
export const LEARN_ON_DEFAULTS = { updates: "allActions", steps: 12_000, learningRate: 1e-3 } as const;
/** With fewer images the judgement would be a matter of luck. */
const LEAST_IMAGES = 200;

/** Images of the feedback, as indices; no image is in two of the three. */
export interface FeedbackSplit {
  readonly learn: Uint32Array;
  readonly select: Uint32Array;
  readonly judge: Uint32Array;
}

/** How the agent before and the one after fare on images that were neither learned from nor selected on. */
export interface Judgement {
  readonly images: { readonly learn: number; readonly select: number; readonly judge: number };
  /** over which the returns are averaged */
  readonly lambdas: readonly number[];
  /** Mean return of the agent before: accuracy - lambda * mean cost / cost of the last exit. */
  readonly before: number;
  readonly after: number;
  /** 95% of after - before, paired bootstrap over the judging images */
  readonly interval: readonly [low: number, high: number];
  /** The interval lies above 0: the new agent takes the place of the old one. */
  readonly better: boolean;
}

export interface FeedbackResult {
  /** The new agent if it is better, else the old one itself. */
  readonly agent: Agent;
  /** The new agent in either case. */
  readonly learned: Agent;
  readonly judgement: Judgement;
  readonly split: FeedbackSplit;
}

/** Stratified, depends on labels and seed alone. @param labels [N] */
export function splitFeedback(labels: Uint16Array, seed: number): FeedbackSplit {
  const { kept, taken: judge } = stratifiedSplit(labels, JUDGE_SHARE, seed);
  const { kept: atLearn, taken: atSelect } = stratifiedSplit(
    Uint16Array.from(kept, (i) => labels[i]!),
    SELECT_SHARE,
    seed,
  );
  const of = (positions: Uint32Array): Uint32Array => positions.map((at) => kept[at]!);
  return { learn: of(atLearn), select: of(atSelect), judge };
}

/**
 * Learns on from the agent's weights on one part of the feedback (the rule of the answers is fitted anew), selects on the second, and
 * compares with the old agent on the third.
 *
 * @param feedback exit table of labelled images that the network was not trained on
 * @param given options of the learning, over `LEARN_ON_DEFAULTS`; what makes the agent's shape and range stays as it is
 * @throws {UserError} if there are too few images, or they are of another network
 */
export async function learnOn(
  runtime: Runtime,
  agent: Agent,
  feedback: ExitTable,
  costs: ExitCosts,
  given: Partial<DqnOptions> = {},
): Promise<FeedbackResult> {
  const { exits, classes, hidden, dueling, lambdaRange, weights } = agent;
  if (feedback.exits !== exits || feedback.classes !== classes)
    throw new UserError(
      `feedback: a table of ${exits} exits and ${classes} classes expected, found ${feedback.exits} and ${feedback.classes}; ` +
        "give the logits of the same network",
    );
  if (feedback.count < LEAST_IMAGES)
    throw new UserError(
      `feedback: at least ${LEAST_IMAGES} images expected, found ${feedback.count}; collect more before learning from them`,
    );
  checkLearnable(feedback, costs, "feedback");
  const split = splitFeedback(feedback.labels, given.seed ?? 0);
  const [learn, select, judge] = [split.learn, split.select, split.judge].map((part) =>
    tableSubset(feedback, part),
  ) as [ExitTable, ExitTable, ExitTable];
  const options = dqnOptions({
    ...LEARN_ON_DEFAULTS,
    ...given,
    members: 1,
    network: hasExitUnits(weights) ? "exitUnits" : "dense",
    hidden,
    dueling,
    lambdaRange,
    start: weights,
  });
  const watched = await besideOptimal(runtime, learn, select, costs, options);
  const learned = await trainAgent(runtime, learn, select, costs, watched);
  finiteAgent(learned.agent);
  const lambdas = lambdaGrid(lambdaRange, 9);
  const [before, after] = await Promise.all(
    [agent, learned.agent].map((one) => imageReturns(runtime, one, judge, costs, lambdas)),
  );
  const judgement = compareReturns(before!, after!, given.seed ?? 0);
  const images = { learn: learn.count, select: select.count, judge: judge.count };
  return {
    agent: judgement.better ? learned.agent : agent,
    learned: learned.agent,
    judgement: { images, lambdas, ...judgement },
    split,
  };
}

/** [N] what the agent's decisions are worth on each image, averaged over the lambdas. */
export async function imageReturns(
  runtime: Runtime,
  agent: Agent,
  table: ExitTable,
  costs: ExitCosts,
  lambdas: readonly number[],
): Promise<Float64Array> {
  const answers = answersOf(table, agent);
  const q = await qValues(runtime, agent, answers, costs, lambdas);
  const correct = correctAnswers(answers);
  const shares = costShares(costs);
  const returns = new Float64Array(table.count);
  lambdas.forEach((lambda, l) => {
    greedyExits(q[l]!, table.exits).forEach((exit, i) => {
      returns[i]! += (correct[i * table.exits + exit]! - lambda * shares[exit]!) / lambdas.length;
    });
  });
  return returns;
}

/** Whether the second of two policies is better, beyond what the choice of images explains. @param before [N] @param after [N] */
export function compareReturns(
  before: Float64Array,
  after: Float64Array,
  seed: number,
): Pick<Judgement, "before" | "after" | "interval" | "better"> {
  const values = new Float64Array(2 * before.length);
  before.forEach((value, i) => {
    values[2 * i] = value;
    values[2 * i + 1] = after[i]!;
  });
  const [meanBefore, meanAfter] = columnMeans(values, 2) as unknown as [number, number];
  const [interval] = pairedBootstrap(values, 2, (means) => [means[1]! - means[0]!], seed);
  return { before: meanBefore, after: meanAfter, interval: interval!, better: interval![0] > 0 };
}
