/** What a caller may ask of a classifier, and the lambda that a dial means. */
import { UserError } from "../errors.ts";
import { checkLambda } from "../policy/agent.ts";
import { lambdaForBudget } from "../policy/lambda-calibration.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";

/** How much may be spent: one of the two. */
export interface Dial {
  /** Price of the full network in units of one correct answer; default: the model's recommended one. */
  readonly lambda?: number;
  /** Mean MACs per image, at most, judged on validation: the smallest lambda that keeps within it is taken. Needs a policy priced in MACs. */
  readonly budgetMacs?: number;
}

export interface StartOptions extends Dial {
  /**
   * Above 0, below 1: an answer that is not sure enough names no class (`label` is "unsure"), so that of the answers that do, this share
   * is right on validation at the lambda that is set. Solved when the first image asks for it at a lambda. Default: every image gets a class.
   */
  readonly precise?: number;
  /**
   * Makes no session at load, and that of a stage when the first image reaches it: the first answers come sooner, and every later
   * one costs a run per stage where all stages in one session cost a single run. What is wrong with device or weights is then told by
   * the first answer. Default: false.
   */
  readonly lazy?: boolean;
}

export interface BatchOptions {
  /**
   * Looked at while images are read and before every run, of which there is one per stage in a batch, with a deadline and in a lazy
   * classifier, else a single one. If it is aborted, the call rejects with its reason.
   */
  readonly signal?: AbortSignal;
}

export interface ClassifyOptions extends BatchOptions {
  /**
   * Milliseconds from the call to the answer, decoding included; at least 0, default: as long as it takes. A stage is begun only if
   * 95% of its recent runs would fit into what is left, or half of them where it has not run for ten seconds (`recentTimes`). The first
   * stage always runs.
   */
  readonly deadlineMs?: number;
}

/** @throws {UserError} if the dial says two things, or something outside what the policy was learned for */
export function lambdaOf(policy: LearnedPolicy, { lambda, budgetMacs }: Dial): number {
  if (lambda !== undefined && budgetMacs !== undefined)
    throw new UserError(
      `classifier: lambda or budgetMacs expected, found both (${lambda} and ${budgetMacs}); one follows from the other, leave one out`,
    );
  if (budgetMacs !== undefined) {
    if ((policy.costUnit ?? "MACs") !== "MACs")
      throw new UserError(
        `classifier: a policy priced in MACs expected for budgetMacs, found ${policy.costUnit}; give a lambda`,
      );
    return lambdaForBudget(policy.calibration, budgetMacs);
  }
  if (lambda === undefined) return policy.lambda;
  checkLambda(policy.agent, lambda);
  return lambda;
}
