/** What plots need beside the figures: confidence and calibration in bins, and what each policy reaches at every lambda. */

import type { AnswerTable } from "../exits/answers.ts";
import { binOf, CONFIDENCE_BINS, confidences } from "../exits/calibration.ts";
import { lambdaGrid, lambdaGridWith } from "../exits/lambda-grid.ts";
import { greedyExits, qValues } from "../policy/agent.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { YardstickProblem } from "../yardsticks/yardstick.ts";
import { yardsticksFor } from "../yardsticks/yardsticks.ts";
import { type TradeOffPoint, tradeOffCurve } from "./comparison.ts";
import { type Confusion, confusions } from "./confusions.ts";
import type { EvaluationFigures } from "./figures.ts";

/** The images whose confidence at an exit is in one of 15 bins of equal width. */
export interface ConfidenceBin {
  /** The bin's borders; it holds the upper one. */
  readonly from: number;
  readonly to: number;
  /** of all images */
  readonly images: number;
  /** those that are answered rightly at this exit */
  readonly right: number;
  /** those that left at this exit */
  readonly left: number;
  /** 0..1; null if there is no image */
  readonly meanConfidence: number | null;
}

export interface ExitCalibration {
  /** 1..E */
  readonly exit: number;
  /** by which the head's logits are divided */
  readonly temperature: number;
  /** with which the answer of the exit before counts, see `AnswerRule` */
  readonly priorWeight: number;
  readonly bins: readonly ConfidenceBin[];
}

/** What a policy reaches over the agent's lambdas, rising; one point for a policy that has no dial. */
export interface PolicyCurve {
  /** "dqn" or the name of a yardstick */
  readonly name: string;
  readonly points: readonly TradeOffPoint[];
}

export interface EvaluationDetails {
  /** [E] */
  readonly calibration: readonly ExitCalibration[];
  /** The agent's first, then one for each yardstick. */
  readonly curves: readonly PolicyCurve[];
  /** Of the answers at the exits taken. */
  readonly confusions: readonly Confusion[];
}

/** What `evaluation.json` holds. */
export type DetailedEvaluation = EvaluationFigures & EvaluationDetails;

/** The agent's points are cheap; yardsticks are fitted anew for each lambda, about a second on 2,500 images. */
const AGENT_POINTS = 61;
const YARDSTICK_POINTS = 9;

export interface DetailOptions {
  readonly policy: LearnedPolicy;
  /** To the images that the figures are about. */
  readonly answers: AnswerTable;
  /** [N] exit taken for each image at the lambda of the figures, 0..E-1 */
  readonly exits: Uint8Array;
  /** What the yardsticks are fitted on. */
  readonly problem: YardstickProblem;
  /** Of the random yardstick; default 1. */
  readonly seed?: number;
  readonly runtime: Runtime;
}

export async function evaluationDetails(options: DetailOptions): Promise<EvaluationDetails> {
  const { answers, exits, policy } = options;
  const calibration = policy.agent.temperatures.map((temperature, exit) => ({
    exit: exit + 1,
    temperature,
    priorWeight: policy.agent.priorWeights[exit]!,
    bins: confidenceBins(answers, exit, exits),
  }));
  return {
    calibration,
    curves: [await agentCurve(options), ...(await yardstickCurves(options))],
    confusions: confusions(answers, exits),
  };
}

/** All images by their confidence at one exit. @param taken [N] exit that each of them left at */
export function confidenceBins(answers: AnswerTable, exit: number, taken: Uint8Array): ConfidenceBin[] {
  const { confidence, correct } = confidences(answers, exit);
  const tallies = Array.from({ length: CONFIDENCE_BINS }, () => ({ images: 0, right: 0, left: 0, sum: 0 }));
  confidence.forEach((value, i) => {
    const tally = tallies[binOf(value)]!;
    tally.images++;
    tally.right += correct[i]!;
    tally.left += taken[i] === exit ? 1 : 0;
    tally.sum += value;
  });
  return tallies.map(({ images, right, left, sum }, bin) => ({
    from: bin / CONFIDENCE_BINS,
    to: (bin + 1) / CONFIDENCE_BINS,
    images,
    right,
    left,
    meanConfidence: images > 0 ? sum / images : null,
  }));
}

async function agentCurve({ runtime, policy, answers }: DetailOptions): Promise<PolicyCurve> {
  const { agent, costs } = policy;
  // the recommended one among them: where the report's dial stands at first is what the figures say
  const lambdas = lambdaGridWith(policy.lambda, agent.lambdaRange, AGENT_POINTS);
  const q = await qValues(runtime, agent, answers, costs, lambdas);
  const exitsAt = (lambda: number): Uint8Array => greedyExits(q[lambdas.indexOf(lambda)]!, agent.exits);
  return { name: "dqn", points: await tradeOffCurve(lambdas, exitsAt, answers, costs) };
}

/** Fixed exits and random do not depend on lambda: one point each. */
async function yardstickCurves({ problem, policy, answers, seed = 1 }: DetailOptions): Promise<PolicyCurve[]> {
  const { agent, costs } = policy;
  const curves = new Map<string, TradeOffPoint[]>();
  for (const lambda of lambdaGrid(agent.lambdaRange, YARDSTICK_POINTS))
    for (const yardstick of yardsticksFor(problem, lambda, seed)) {
      const points = curves.get(yardstick.name) ?? [];
      curves.set(yardstick.name, points);
      if (points.length > 0 && hasNoDial(yardstick.name)) continue;
      points.push(...(await tradeOffCurve([lambda], () => yardstick.decide(answers), answers, costs)));
    }
  return [...curves].map(([name, points]) => ({ name, points }));
}

function hasNoDial(name: string): boolean {
  return name === "random" || name.startsWith("exit:");
}
