/** What the agent does while it learns: many episodes side by side, epsilon-greedily, remembered for later. Letters: P episodes, S state. */
import { type Action, CONTINUE, EXIT, mayContinue, step } from "../exits/environment.ts";
import type { Episodes } from "../exits/episodes.ts";
import type { LambdaRange } from "../exits/lambda-grid.ts";
import { stateWidth } from "../exits/observation.ts";
import { integer, type Random, seededRandom, uniform } from "../random.ts";
import type { Program } from "../runtime/program.ts";
import type { DqnOptions } from "./dqn-options.ts";
import { ACTIONS } from "./q-network.ts";
import { type Replay, remember } from "./replay.ts";
import { copyState, drawLambda } from "./replayed-batch.ts";

/** P episodes under way. */
export interface Acting {
  readonly random: Random;
  readonly image: Uint32Array;
  readonly exit: Uint8Array;
  /** [P, 1] each episode is played for a lambda of its own */
  readonly lambda: Float32Array;
  /** [P, S] */
  readonly state: Float32Array;
}

export function createActing({ parallelEpisodes, seed, lambdaRange }: DqnOptions, episodes: Episodes): Acting {
  const width = stateWidth(episodes.exits, episodes.classes);
  const acting: Acting = {
    random: seededRandom(seed, 0xac7),
    image: new Uint32Array(parallelEpisodes),
    exit: new Uint8Array(parallelEpisodes),
    lambda: new Float32Array(parallelEpisodes),
    state: new Float32Array(parallelEpisodes * width),
  };
  for (let m = 0; m < parallelEpisodes; m++) beginEpisode(acting, m, episodes, lambdaRange);
  return acting;
}

function beginEpisode(acting: Acting, m: number, { count }: Episodes, range: LambdaRange): void {
  acting.image[m] = integer(acting.random, 0, count - 1);
  acting.exit[m] = 0;
  acting.lambda[m] = drawLambda(acting.random, range);
}

/** Every episode takes one action, epsilon-greedily; what happened is remembered; who is done begins another image. */
export async function act(
  acting: Acting,
  actor: Program,
  episodes: Episodes,
  replay: Replay,
  epsilon: number,
  range: LambdaRange,
): Promise<void> {
  const { image, exit, lambda, state, random } = acting;
  for (let m = 0; m < image.length; m++) copyState(episodes, image[m]!, exit[m]!, state, m);
  const { q } = await actor.run({ state, lambda });
  for (let m = 0; m < image.length; m++) {
    const action = epsilonGreedy(q!, m, mayContinue(exit[m]!, episodes.exits), epsilon, random);
    const outcome = step(episodes.correct, episodes.shares, image[m]!, exit[m]!, action);
    remember(replay, image[m]!, exit[m]!, action, outcome);
    if (outcome.terminal) beginEpisode(acting, m, episodes, range);
    else exit[m]!++;
  }
}

/**
 * A random allowed action with probability epsilon, else the allowed one with the larger Q-value; exit at a tie.
 *
 * @param q [P, 2]
 * @param allowed 0 where `continue` is masked
 */
export function epsilonGreedy(q: Float32Array, m: number, allowed: 0 | 1, epsilon: number, random: Random): Action {
  if (!allowed) return EXIT;
  if (uniform(random) < epsilon) return integer(random, CONTINUE, EXIT) as Action;
  return q[m * ACTIONS + EXIT]! >= q[m * ACTIONS + CONTINUE]! ? EXIT : CONTINUE;
}

/** Falls linearly from start to end over the given fraction of learning, then stays. @param progress 0..1 */
export function epsilonAt({ start, end, fraction }: DqnOptions["epsilon"], progress: number): number {
  return progress >= fraction ? end : start + (end - start) * (progress / fraction);
}
