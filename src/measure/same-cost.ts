/** Two models on the same images at the same mean cost: one at a lambda of its own, the other between two of its lambdas. */
import { type AnswerTable, answersOf } from "../exits/answers.ts";
import { correctAnswers } from "../exits/environment.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import { type Agent, greedyExits, qValues } from "../policy/agent.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { columnMeans, pairedBootstrap } from "../yardsticks/paired-bootstrap.ts";

/** What became of N images at one lambda. */
export interface Judged {
  readonly meanMacs: number;
  /** [N] 1 where the answer at the exit taken is right, else 0 */
  readonly correct: Float64Array;
}

/** One of these for each lambda. @param table of the images, of the agent's network */
export async function judge(
  runtime: Runtime,
  agent: Agent,
  table: ExitTable,
  { exitMacs }: ExitCosts,
  lambdas: readonly number[],
): Promise<Judged[]> {
  const answers: AnswerTable = answersOf(table, agent);
  const right = correctAnswers(answers);
  const q = await qValues(runtime, agent, answers, { exitMacs, fullMacs: exitMacs.at(-1)! }, lambdas);
  return q.map((values) => {
    const exits = greedyExits(values, table.exits);
    const correct = Float64Array.from(exits, (exit, i) => right[i * table.exits + exit]!);
    return { meanMacs: exits.reduce((sum, exit) => sum + exitMacs[exit]!, 0) / exits.length, correct };
  });
}

/** [N] how right each image's answer is at that mean cost, on the straight line between the two points beside it; null outside all of them. */
export function correctAt(points: readonly Judged[], meanMacs: number): Float64Array | null {
  const rising = [...points].sort((a, b) => a.meanMacs - b.meanMacs);
  const above = rising.findIndex((one) => one.meanMacs >= meanMacs);
  if (above < 0) return null;
  const after = rising[above]!;
  if (after.meanMacs === meanMacs) return after.correct;
  const before = rising[above - 1];
  if (!before) return null;
  const share = (meanMacs - before.meanMacs) / (after.meanMacs - before.meanMacs);
  return before.correct.map((one, i) => one + share * (after.correct[i]! - one));
}

export interface SameCost {
  /** Of the other model, 0..1. */
  readonly accuracy: number;
  /** One model's accuracy less the other's, on the same images: mean and paired bootstrap interval (95%). */
  readonly difference: { readonly mean: number; readonly interval: readonly [low: number, high: number] };
}

/** @param others of the model that it is compared with; null if none of its points costs as much or as little */
export function compareAtCost({ meanMacs, correct }: Judged, others: readonly Judged[], seed = 1): SameCost | null {
  const other = correctAt(others, meanMacs);
  if (!other) return null;
  const differences = correct.map((one, i) => one - other[i]!);
  const [interval] = pairedBootstrap(differences, 1, (means) => [means[0]!], seed);
  return {
    accuracy: columnMeans(other, 1)[0]!,
    difference: { mean: columnMeans(differences, 1)[0]!, interval: interval! },
  };
}
