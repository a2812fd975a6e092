/**
 * Replayed transitions as the arrays that one gradient step takes. The replay names a state by image and exit; here it becomes
 * numbers, and each transition is given a fresh lambda. Letters: B batch, M members,
 * S width of a state, D = S + 1 width of an observation.
 */

import { type Action, CONTINUE, EXIT, mayContinue, type Outcome, reward, step } from "../exits/environment.ts";
import type { Episodes } from "../exits/episodes.ts";
import type { LambdaRange } from "../exits/lambda-grid.ts";
import { observation, stateWidth } from "../exits/observation.ts";
import { slice } from "../graph/layout.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { type Random, uniform } from "../random.ts";
import type { DqnOptions } from "./dqn-options.ts";
import { ACTIONS } from "./q-network.ts";
import type { Replay } from "./replay.ts";

export type Feeds = ReturnType<typeof createFeeds>;

/** @param width S */
export function createFeeds(batch: number, width: number) {
  return {
    state: new Float32Array(batch * width),
    nextState: new Float32Array(batch * width),
    lambda: new Float32Array(batch),
    /** [B, 2] 1 for an action that is learned from */
    taken: new Float32Array(batch * ACTIONS),
    reward: new Float32Array(batch * ACTIONS),
    notTerminal: new Float32Array(batch * ACTIONS),
    nextMayContinue: new Float32Array(batch),
    rate: new Float32Array(1),
    tau: new Float32Array(1),
  };
}

/** The same as tensors, for one member. */
export interface Transitions {
  /** [B, D] at the state, and at the one after */
  readonly observed: Tensor;
  readonly next: Tensor;
  /** [B, 2] 1 for an action that is learned from */
  readonly taken: Tensor;
  /** [B, 2] reward of each action */
  readonly reward: Tensor;
  /** [B, 2] 0 where an action ends the episode, else 1 */
  readonly notTerminal: Tensor;
  /** [B, 1] 0 where the next exit is the last one, else 1 */
  readonly nextMayContinue: Tensor;
}

/** The transitions of each member: B rows of M * B. @param width S */
export function transitionsOf(
  { batch, members }: Pick<DqnOptions, "batch" | "members">,
  width: number,
): (member: number) => Transitions {
  const rows = (name: string, columns: number): Tensor => input(name, [members * batch, columns]);
  const lambda = rows("lambda", 1);
  const observed = observation(rows("state", width), lambda);
  const next = observation(rows("nextState", width), lambda);
  const [taken, reward, notTerminal] = [rows("taken", ACTIONS), rows("reward", ACTIONS), rows("notTerminal", ACTIONS)];
  const nextMayContinue = rows("nextMayContinue", 1);
  return (member) => {
    const own = (x: Tensor): Tensor => slice(x, 0, member * batch, (member + 1) * batch);
    return {
      observed: own(observed),
      next: own(next),
      taken: own(taken),
      reward: own(reward),
      notTerminal: own(notTerminal),
      nextMayContinue: own(nextMayContinue),
    };
  };
}

/** Writes the transitions in `slots`; `rate` and `tau` stay as they are. */
export function fillFeeds(
  feeds: Feeds,
  slots: Uint32Array,
  replay: Replay,
  episodes: Episodes,
  { lambdaRange, updates }: Pick<DqnOptions, "lambdaRange" | "updates">,
  random: Random,
): void {
  const { exits, correct, shares } = episodes;
  for (const column of [feeds.taken, feeds.reward, feeds.notTerminal]) column.fill(0);
  slots.forEach((slot, b) => {
    const [image, exit] = [replay.image[slot]!, replay.exit[slot]!];
    const lambda = drawLambda(random, lambdaRange);
    const next = Math.min(exit + 1, exits - 1); // after the last exit it counts for nothing
    feeds.lambda[b] = lambda;
    copyState(episodes, image, exit, feeds.state, b);
    copyState(episodes, image, next, feeds.nextState, b);
    feeds.nextMayContinue[b] = mayContinue(exit + 1, exits);
    const learnFrom = (action: Action, outcome: Outcome): void => {
      feeds.taken[b * ACTIONS + action] = 1;
      feeds.reward[b * ACTIONS + action] = reward(outcome, lambda);
      feeds.notTerminal[b * ACTIONS + action] = outcome.terminal ? 0 : 1;
    };
    if (updates === "sampled") learnFrom(replay.action[slot] as Action, replayedOutcome(replay, slot));
    else
      for (const action of mayContinue(exit, exits) ? ([CONTINUE, EXIT] as const) : ([EXIT] as const))
        learnFrom(action, step(correct, shares, image, exit, action));
  });
}

function replayedOutcome({ correctness, costShare, terminal }: Replay, slot: number): Outcome {
  return { correctness: correctness[slot]!, costShare: costShare[slot]!, terminal: terminal[slot] === 1 };
}

/** Log-uniform. */
export function drawLambda(random: Random, { from, to }: LambdaRange): number {
  return from * (to / from) ** uniform(random);
}

/** Writes the state [S] of an image at an exit into row `at` of `to`. */
export function copyState(
  { states, exits, classes }: Episodes,
  image: number,
  exit: number,
  to: Float32Array,
  at: number,
): void {
  const width = stateWidth(exits, classes);
  const from = (image * exits + exit) * width;
  to.set(states.subarray(from, from + width), at * width);
}
