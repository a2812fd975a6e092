/** What a policy does with its validation images: what answers are to be compared with once it is at work. */
import { UserError } from "../errors.ts";
import { answersOf, largest } from "../exits/answers.ts";
import { decide } from "../policy/agent.ts";
import { decidingAgent } from "../policy/decider.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface ExpectedAnswers {
  readonly count: number;
  /** [E] share of the images that leave at each exit */
  readonly exits: readonly number[];
  /** [K] share of the images that are told to be of each class */
  readonly classes: readonly number[];
  /** [N] top-1 softmax of the answers, rising */
  readonly confidences: Float32Array;
}

/** @throws {UserError} if lambda is outside what the policy was learned for, or its exit table was left out */
export async function expectedAnswers(
  policy: LearnedPolicy,
  lambda: number,
  runtime: Runtime = createNodeRuntime(),
): Promise<ExpectedAnswers> {
  const { validation, costs } = policy;
  if (!validation)
    throw new UserError(
      "expected answers: a policy with its exit table expected, found none; load the whole model folder",
    );
  const agent = decidingAgent(policy);
  const answers = answersOf(validation, agent);
  const taken = await decide(runtime, agent, answers, costs, lambda);
  const { count, exits, classes } = validation;
  const [exitShares, classShares] = [new Array<number>(exits).fill(0), new Array<number>(classes).fill(0)];
  const confidences = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const row = (i * exits + taken[i]!) * classes;
    const best = largest(answers.logProbabilities, row, classes);
    exitShares[taken[i]!]! += 1 / count;
    classShares[best]! += 1 / count;
    confidences[i] = Math.exp(answers.logProbabilities[row + best]!);
  }
  return { count, exits: exitShares, classes: classShares, confidences: confidences.sort() };
}
