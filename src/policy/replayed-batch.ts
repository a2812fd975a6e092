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

/** @param width S @param ahead steps that an episode is played on, at least 1 */
export function createFeeds(batch: number, width: number, ahead: number) {
  return {
    state: new Float32Array(batch * width),
    /** [ahead, B, S] of the exits that follow; after the last exit it counts for nothing */
    nextStates: new Float32Array(ahead * batch * width),
    /** [ahead, B] 1 where leaving there is right */
    nextRight: new Float32Array(ahead * batch),
    /** [ahead, B] reward of going on from there */
    nextPrice: new Float32Array(ahead * batch),
    /** [ahead, B] 0 where that is the last exit, else 1 */
    nextMayContinue: new Float32Array(ahead * batch),
    lambda: new Float32Array(batch),
    /** [B, 2] 1 for an action that is learned from */
    taken: new Float32Array(batch * ACTIONS),
    reward: new Float32Array(batch * ACTIONS),
    notTerminal: new Float32Array(batch * ACTIONS),
    rate: new Float32Array(1),
    tau: new Float32Array(1),
  };
}

/** The same as tensors, for one member. */
export interface Transitions {
  /** [B, D] at the state */
  readonly observed: Tensor;
  /** What comes after it, as many steps as the episode is played on. */
  readonly ahead: readonly Ahead[];
  /** [B, 2] 1 for an action that is learned from */
  readonly taken: Tensor;
  /** [B, 2] reward of each action */
  readonly reward: Tensor;
  /** [B, 2] 0 where an action ends the episode, else 1 */
  readonly notTerminal: Tensor;
}

/** One of the exits that follow. */
export interface Ahead {
  /** [B, D] */
  readonly observed: Tensor;
  /** [B, 1] reward of leaving there */
  readonly right: Tensor;
  /** [B, 1] reward of going on from there */
  readonly price: Tensor;
  /** [B, 1] 0 where it is the last one, else 1 */
  readonly mayContinue: Tensor;
}

/** The transitions of each member: B rows of M * B. @param width S */
export function transitionsOf(
  { batch, members, returnSteps }: Pick<DqnOptions, "batch" | "members" | "returnSteps">,
  width: number,
): (member: number) => Transitions {
  const all = members * batch;
  const rows = (name: string, columns: number, steps = 1): Tensor => input(name, [steps * all, columns]);
  const lambda = rows("lambda", 1);
  const observed = observation(rows("state", width), lambda);
  const [taken, reward, notTerminal] = [rows("taken", ACTIONS), rows("reward", ACTIONS), rows("notTerminal", ACTIONS)];
  const next = {
    states: rows("nextStates", width, returnSteps),
    right: rows("nextRight", 1, returnSteps),
    price: rows("nextPrice", 1, returnSteps),
    mayContinue: rows("nextMayContinue", 1, returnSteps),
  };
  return (member) => {
    const own = (x: Tensor, step = 0): Tensor =>
      slice(x, 0, step * all + member * batch, step * all + (member + 1) * batch);
    return {
      observed: own(observed),
      ahead: Array.from({ length: returnSteps }, (_, step) => ({
        observed: observation(own(next.states, step), own(lambda)),
        right: own(next.right, step),
        price: own(next.price, step),
        mayContinue: own(next.mayContinue, step),
      })),
      taken: own(taken),
      reward: own(reward),
      notTerminal: own(notTerminal),
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
    feeds.lambda[b] = lambda;
    copyState(episodes, image, exit, feeds.state, b);
    for (let n = 0; n < feeds.nextRight.length / slots.length; n++) {
      const [later, at] = [Math.min(exit + 1 + n, exits - 1), n * slots.length + b];
      copyState(episodes, image, later, feeds.nextStates, at);
      feeds.nextRight[at] = correct[image * exits + later]!;
      feeds.nextMayContinue[at] = mayContinue(later, exits);
      feeds.nextPrice[at] = later < exits - 1 ? -lambda * (shares[later + 1]! - shares[later]!) : 0;
    }
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
