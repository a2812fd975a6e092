/** Two policies of the same network on the same answers: what each would have said, and which is better where the right class is known. */
import { answersOf, largest } from "../exits/answers.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { costShares } from "../exits/observation.ts";
import { decide } from "../policy/agent.ts";
import { decidingAgent } from "../policy/decider.ts";
import { compareReturns } from "../policy/feedback.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface ComparePoliciesOptions {
  readonly policies: readonly [first: LearnedPolicy, second: LearnedPolicy];
  /** What every exit says; labels count where `isLabelled` says so. */
  readonly table: ExitTable;
  /** [N] whether the image's label is known, and neither policy has learned from it. */
  readonly isLabelled: readonly boolean[];
  readonly lambda: number;
  readonly seed?: number;
  readonly runtime?: Runtime;
}

export interface PolicyComparison {
  readonly images: number;
  /** Of each of the two: share of the images that leave at each exit [E], and mean cost / cost of the last exit. */
  readonly policies: readonly { readonly exits: readonly number[]; readonly cost: number }[];
  /** Share of the images that both call the same. */
  readonly same: number;
  /** Where the right class is known; null where none is. */
  readonly labelled: {
    readonly images: number;
    readonly accuracy: readonly [first: number, second: number];
    /** Accuracy - lambda * mean cost / cost of the last exit. */
    readonly return: readonly [first: number, second: number];
    /** 95% of the second one's return minus the first one's, paired bootstrap over the images */
    readonly interval: readonly [low: number, high: number];
  } | null;
}

/** @throws {UserError} if lambda is outside what a policy was learned for */
export async function comparePolicies(given: ComparePoliciesOptions): Promise<PolicyComparison> {
  const { policies, table, isLabelled, lambda, seed = 0, runtime = createNodeRuntime() } = given;
  const both = await Promise.all(policies.map((one) => saidBy(one, table, lambda, runtime)));
  const [first, second] = [both[0]!, both[1]!];
  const mean = (of: (image: number) => number): number => {
    let sum = 0;
    for (let i = 0; i < table.count; i++) sum += of(i);
    return sum / table.count;
  };
  const known = Array.from({ length: table.count }, (_, i) => i).filter((i) => isLabelled[i]);
  return {
    images: table.count,
    policies: both.map(({ exits, cost }) => ({
      exits: Array.from({ length: table.exits }, (_, exit) => mean((i) => Number(exits[i] === exit))),
      cost: mean((i) => cost[i]!),
    })),
    same: mean((i) => Number(first.classes[i] === second.classes[i])),
    labelled: known.length === 0 ? null : judged(first, second, table.labels, known, lambda, seed),
  };
}

/** [N] each. */
interface Said {
  readonly exits: ArrayLike<number>;
  readonly classes: Uint16Array;
  readonly cost: Float64Array;
}

async function saidBy(policy: LearnedPolicy, table: ExitTable, lambda: number, runtime: Runtime): Promise<Said> {
  const agent = decidingAgent(policy);
  const answers = answersOf(table, agent);
  const exits = await decide(runtime, agent, answers, policy.costs, lambda);
  const shares = costShares(policy.costs);
  const [classes, cost] = [new Uint16Array(table.count), new Float64Array(table.count)];
  for (let i = 0; i < table.count; i++) {
    const row = (i * table.exits + exits[i]!) * table.classes;
    classes[i] = largest(answers.logProbabilities, row, table.classes);
    cost[i] = shares[exits[i]!]!;
  }
  return { exits, classes, cost };
}

function judged(
  first: Said,
  second: Said,
  labels: Uint16Array,
  known: readonly number[],
  lambda: number,
  seed: number,
) {
  const right = ({ classes }: Said, i: number): number => Number(classes[i] === labels[i]);
  const returns = (one: Said) => Float64Array.from(known, (i) => right(one, i) - lambda * one.cost[i]!);
  const accuracy = (one: Said): number => known.reduce((sum, i) => sum + right(one, i), 0) / known.length;
  const { before, after, interval } = compareReturns(returns(first), returns(second), seed);
  return {
    images: known.length,
    accuracy: [accuracy(first), accuracy(second)] as const,
    return: [before, after] as const,
    interval,
  };
}
