/** All figures of a policy from an exit table, on whatever runtime there is. */
import type { Dataset } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { type AnswerTable, answersOf, plainRule } from "../exits/answers.ts";
import { exitAccuracies } from "../exits/environment.ts";
import { computeExitTable } from "../exits/exit-logits.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import { checkLambda, decide } from "../policy/agent.ts";
import { type Decider, decidingAgent } from "../policy/decider.ts";
import { type LearnedPolicy, validationOf } from "../policy/learned-policy.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { VERSION } from "../version.ts";
import { thresholdsAt } from "../yardsticks/threshold-dial.ts";
import { prepareYardsticks, type Yardstick } from "../yardsticks/yardstick.ts";
import { YARDSTICK_NAMES, yardsticksFor } from "../yardsticks/yardsticks.ts";
import { evaluateYardsticks } from "./comparison.ts";
import { type EvaluationDetails, evaluationDetails } from "./details.ts";
import { type EvaluationFigures, evaluateExits } from "./figures.ts";

/** Who can decide in `evaluate`, besides `exit:K` (always leave at exit K, 1..E). */
export const POLICY_NAMES = ["dqn", ...YARDSTICK_NAMES] as const;

export interface TableEvaluation {
  readonly policy: LearnedPolicy;
  /** Images that nothing was fitted to or selected on. */
  readonly table: ExitTable;
  /** [K] names */
  readonly classes: readonly string[];
  readonly dataset: EvaluationFigures["dataset"];
  /** What the policy was learned with, where it does not say so itself. */
  readonly splitSeed: number;
  /** Of somebody else's network: what it costs as it came, and without exits; and what is to be known of it. */
  readonly imported?: { readonly originalMacs: number; readonly fullMacs: number; readonly notes: readonly string[] };
  /** Who decides: one of `POLICY_NAMES`, "threshold" for the one on confidence, or "exit:K"; default: what decides in the policy. */
  readonly decider?: string;
  /** Price of the full network in units of one correct answer; default: the policy's recommended one. */
  readonly lambda?: number;
  /** Of the bootstrap and of the random yardstick; default 1. */
  readonly seed?: number;
  readonly runtime: Runtime;
}

export interface SplitEvaluation extends Omit<TableEvaluation, "table" | "classes" | "dataset" | "splitSeed"> {
  readonly network: StagedNetwork;
  readonly data: Dataset;
  /** Default "test". */
  readonly split?: "test" | "validation";
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs the images of a split through the network; what can be told to be wrong is told before.
 *
 * @throws {UserError} if there is no such split or decider, lambda is outside the agent's range, or the classes are other ones
 */
export async function tableOfSplit(options: SplitEvaluation): Promise<TableEvaluation> {
  const { network, data, split = "test", onProgress, ...others } = options;
  const { policy, runtime } = others;
  checkLambda(policy.agent, options.lambda ?? policy.lambda);
  deciderName(options.decider, policy);
  checkClasses(network, data);
  const samples = data[split];
  if (!samples)
    throw new UserError(`evaluate: a ${split} split expected, found none in ${data.name}; give the whole dataset`);
  return {
    ...others,
    table: await computeExitTable(runtime, network, samples, onProgress),
    classes: network.classes,
    dataset: {
      name: data.name,
      split,
      sha256: samples.sha256,
      ...(data.leftOut ? { leftOut: data.leftOut.length } : {}),
    },
    splitSeed: network.provenance.seed,
    ...(network.original
      ? { imported: { originalMacs: network.original.macs, fullMacs: network.fullMacs, notes: notesOn(network) } }
      : {}),
  };
}

/** Confidence on pictures that the network may have been trained on is too high, and nobody can tell from the file. */
function notesOn({ provenance }: StagedNetwork): string[] {
  const { attached } = provenance.recipe as { attached?: { calibrated?: boolean } };
  if (attached?.calibrated !== false) return [];
  return [
    "the policy was learned from pictures that the network may have seen when it was trained: its confidence may be inflated, " +
      "and exits be taken too early; attach it with --calibrate PATH, pictures that it has never seen",
  ];
}

/** What exits are compared with. */
function withoutExits({ table, imported }: TableEvaluation) {
  if (!imported) return {};
  const last = { ...table, logits: lastLogits(table), exits: 1 };
  const accuracy = (one: ExitTable): number => exitAccuracies(answersOf(one, plainRule(1)))[0]!;
  const { original } = table;
  return {
    original: { accuracy: original ? accuracy({ ...last, logits: original }) : null, costMacs: imported.originalMacs },
    adapted: { accuracy: accuracy(last), costMacs: imported.fullMacs },
    ...(imported.notes.length > 0 ? { notes: imported.notes } : {}),
  };
}

/** [N, K] */
function lastLogits({ logits, count, exits, classes }: ExitTable): Float32Array {
  const last = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) {
    const end = (i + 1) * exits * classes;
    last.set(logits.subarray(end - classes, end), i * classes);
  }
  return last;
}

/** @throws {UserError} if there is no such decider, or lambda is outside the agent's range */
export async function evaluateOnTable(options: TableEvaluation): Promise<EvaluationFigures> {
  return (await judge(options)).figures;
}

/** Figures, what plots need beside them, and the decisions that they are about. */
export interface DetailedResult {
  readonly figures: EvaluationFigures;
  readonly details: EvaluationDetails;
  readonly answers: AnswerTable;
  /** [N] exit taken for each image, 0..E-1 */
  readonly exits: Uint8Array;
}

/** The same in detail: it solves the yardsticks for some more lambdas. @throws {UserError} as `evaluateOnTable` does */
export async function detailOnTable(options: TableEvaluation): Promise<DetailedResult> {
  const { figures, problem, answers, exits } = await judge(options);
  const details = await evaluationDetails({ ...options, problem, answers, exits });
  return { figures, details, answers, exits };
}

async function judge(options: TableEvaluation) {
  const { policy, table, classes, dataset, splitSeed, seed = 1, runtime } = options;
  const { agent, costs, costUnit = "MACs" } = policy;
  const lambda = options.lambda ?? policy.lambda;
  checkLambda(agent, lambda);
  const name = deciderName(options.decider, policy);
  const problem = await prepareYardsticks(runtime, answersOf(validationOf(policy), agent), costs);
  const { decider: chosen = "dqn" } = policy;
  const by = (decider: Decider): Yardstick => {
    const deciding = decidingAgent({ ...policy, decider });
    return { name: decider, decide: (images) => decide(runtime, deciding, images, costs, lambda) };
  };
  const tuned = yardsticksFor(problem, lambda, seed).map((one) =>
    one.name === chosen
      ? { ...by(chosen), fitted: { thresholds: thresholdsAt(policy.thresholds!, lambda).thresholds } }
      : one,
  );
  const all = [by("dqn"), ...tuned];
  const answers = answersOf(table, agent);
  const exits = await all.find((one) => one.name === name)!.decide(answers);
  const figures: EvaluationFigures = {
    ...evaluateExits({ table, rule: agent, exits, costs, classes, seed }),
    policy: { name, lambda, seed: policy.seed ?? splitSeed },
    yardsticks: (await evaluateYardsticks(all, answers, costs, lambda, seed)).map((one) =>
      one.name === chosen ? { ...one, chosen: true } : one,
    ),
    ...(policy.choice ? { choice: policy.choice } : {}),
    ...withoutExits(options),
    dataset,
    seed,
    version: VERSION,
    costUnit,
  };
  return { figures, problem, answers, exits };
}

/** The name of a yardstick or "dqn". @throws {UserError} if nothing of that name decides */
export function deciderName(given: string | undefined, { decider = "dqn", agent: { exits } }: LearnedPolicy): string {
  const name = given === "threshold" ? "threshold:confidence" : (given ?? decider);
  const names: readonly string[] = [...POLICY_NAMES, ...Array.from({ length: exits }, (_, k) => `exit:${k + 1}`)];
  if (names.includes(name)) return name;
  throw new UserError(
    `policy: ${POLICY_NAMES.join(", ")} or exit:1 to exit:${exits} expected, found ${given}; choose one of them`,
  );
}

/** @throws {UserError} if the images are of other classes than the network's */
export function checkClasses(network: StagedNetwork, { classes, name }: Dataset): void {
  if (classes.join() !== network.classes.join())
    throw new UserError(
      `evaluate: images of the classes ${network.classes.join(", ")} expected, found ${classes.join(", ")} in ${name}; give images of the same classes`,
    );
}
