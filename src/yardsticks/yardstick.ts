/** What a yardstick is, and what it is fitted on. */
import type { AnswerTable } from "../exits/answers.ts";
import { type Episodes, prepareEpisodes } from "../exits/episodes.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { prepareStopping, type StoppingProblem } from "./optimal-stopping.ts";

/** A policy that the agent is compared with. */
export interface Yardstick {
  /** "exit:1".."exit:E", "random", "patience", "threshold:confidence", ..., "optimal" or "oracle" */
  readonly name: string;
  /** What was found on the validation images, by name: all that is needed to build it again. Absent: nothing was fitted that numbers tell. */
  readonly fitted?: Readonly<Record<string, number | readonly number[]>>;
  /** @returns [N] the exit for each image of any table of the same network */
  decide(answers: AnswerTable): Promise<Uint8Array> | Uint8Array;
}

/** What yardsticks are fitted on: prepared once, then solved for any lambda. */
export interface YardstickProblem {
  readonly runtime: Runtime;
  readonly costs: ExitCosts;
  /** of the validation images */
  readonly episodes: Episodes;
  readonly stopping: StoppingProblem;
  /** What was worked out of the tables that were decided on: each once, for all yardsticks and lambdas. */
  readonly seen: WeakMap<AnswerTable, Promise<Episodes>>;
}

/** @param fit the validation split, at least 50 images */
export async function prepareYardsticks(
  runtime: Runtime,
  fit: AnswerTable,
  costs: ExitCosts,
): Promise<YardstickProblem> {
  const episodes = await prepareEpisodes(runtime, fit, costs);
  return { runtime, costs, episodes, stopping: prepareStopping(episodes), seen: new WeakMap() };
}

/** What a policy can know of every image of this table; worked out once, however many yardsticks ask. */
export function episodesOf({ runtime, costs, seen }: YardstickProblem, answers: AnswerTable): Promise<Episodes> {
  const episodes = seen.get(answers) ?? prepareEpisodes(runtime, answers, costs);
  seen.set(answers, episodes);
  return episodes;
}
