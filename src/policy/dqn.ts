/**
 * Deep Q-learning of when to stop, in the order of the papers:
 *
 * - Mnih et al., "Human-level control through deep reinforcement learning" (Nature 2015), algorithm 1
 * - van Hasselt et al., "Deep Reinforcement Learning with Double Q-learning" (AAAI 2016), eq. 4
 * - Wang et al., "Dueling Network Architectures for Deep Reinforcement Learning" (ICML 2016), eq. 9 (in q-network.ts)
 *
 * Our differences: gamma = 1 (at most E steps); the observation contains log lambda, and a replayed transition is given a fresh
 * lambda each time, so that one agent serves them all; many episodes act side by side; AdamW with a falling rate; the target
 * network follows smoothly; a moving average of the weights is what is selected (on other images) and returned. Several Q-networks
 * may learn side by side (`members`), each from batches and by a target network of its own; their mean then acts.
 * Letters: B batch, M members (Q-networks), P parallel episodes, N images, E exits, S width of a state, D of an observation.
 */

import { answersOf, fitAnswers } from "../exits/answers.ts";
import { type Action, CONTINUE, EXIT, mayContinue, returnOf, step } from "../exits/environment.ts";
import { type Episodes, prepareEpisodes } from "../exits/episodes.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import type { LambdaRange } from "../exits/lambda-grid.ts";
import { lambdaGrid } from "../exits/lambda-grid.ts";
import { observation, stateWidth } from "../exits/observation.ts";
import { reduceSum } from "../graph/broadcast.ts";
import { add, compare, multiply, subtract } from "../graph/elementwise.ts";
import { gradients } from "../graph/gradients.ts";
import { slice } from "../graph/layout.ts";
import { huber } from "../graph/loss.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { adamW, movingAverages, type Update } from "../graph/optimizer.ts";
import { reduceMean } from "../graph/reduce.ts";
import { input, scalar, stopGradient, type Tensor, type Variable, variable } from "../graph/tensor.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { integer, type Random, seededRandom, uniform } from "../random.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Agent, greedyExits } from "./agent.ts";
import { checkTables, type DqnOptions, dqnOptions } from "./dqn-options.ts";
import {
  ACTIONS,
  checkedQWeights,
  initialQWeights,
  meanNetwork,
  meanWidths,
  type Parameter,
  type QNetworkShape,
  qNetwork,
} from "./q-network.ts";
import { createReplay, type Replay, remember, sampleSlots } from "./replay.ts";
import { copyState, createFeeds, drawLambda, fillFeeds, type Transitions, transitionsOf } from "./replayed-batch.ts";

export { DQN_DEFAULTS, type DqnOptions, type DqnProgress } from "./dqn-options.ts";

export interface TrainedAgent {
  readonly agent: Agent;
  /** Always `steps`, unless learning was aborted: then nothing is returned. */
  readonly gradientSteps: number;
  /** The gradient step after which the returned weights were selected. */
  readonly selectedStep: number;
  /** Their mean return over the selection lambdas, on the selection half. */
  readonly selectionReturn: number;
}

/**
 * Learns an exit policy from frozen logits.
 *
 * @param fit the half of the validation split that the answers' rule and the Q-network are fitted to
 * @param selection the other half, which decides which of the weights on the way are returned
 * @throws {UserError} if an option is out of its range
 * @throws {RangeError} if the two tables do not fit each other or one is empty
 */
export async function trainAgent(
  runtime: Runtime,
  fit: ExitTable,
  selection: ExitTable,
  costs: ExitCosts,
  given: Partial<DqnOptions> = {},
): Promise<TrainedAgent> {
  const options = dqnOptions(given);
  checkTables(fit, selection);
  const { hidden, dueling, lambdaRange, seed } = options;
  const rule = fitAnswers(fit);
  const episodes = await prepareEpisodes(runtime, answersOf(fit, rule), costs);
  const judged = await prepareEpisodes(runtime, answersOf(selection, rule), costs);
  const width = stateWidth(fit.exits, fit.classes);
  const shape: QNetworkShape = { inputs: width + 1, hidden, dueling };
  const initial = Array.from({ length: options.members }, (_, m) =>
    options.start ? checkedQWeights(options.start, shape) : initialQWeights(shape, seed, `${m}.`),
  );
  const team: Team = { shape, initial };
  const learner = await Program.compile(runtime, trainingGraph(options, team), ONE_THREAD);
  const actor = await Program.compile(runtime, actingGraph(team), ONE_THREAD);
  try {
    const best = await learn(options, episodes, judged, learner, actor, team);
    const { exits, classes } = fit;
    const widths = meanWidths(options);
    const agent: Agent = { ...rule, weights: best.weights, hidden: widths, dueling, exits, classes, lambdaRange };
    return { agent, gradientSteps: options.steps, selectedStep: best.step, selectionReturn: best.return };
  } finally {
    await learner.close();
    await actor.close();
  }
}

/** The Q-networks that learn side by side. */
interface Team {
  /** of each */
  readonly shape: QNetworkShape;
  /** [M] first weights */
  readonly initial: readonly Weights[];
}

/** Graphs this small lose more by waking a second thread than they gain. */
const ONE_THREAD = { threads: 1 };

// ---- The TD target and one gradient step -------------------------------------------------------------------------------

export interface TdTargetParts extends Pick<Transitions, "reward" | "notTerminal" | "nextMayContinue"> {
  /** [B, 2] online network at the next state */
  readonly nextOnline: Tensor;
  /** [B, 2] target network at the next state */
  readonly nextTarget: Tensor;
  readonly double: boolean;
}

/**
 * y = reward + notTerminal * Q_target(o', a*), with a* = arg max over the actions allowed at o' of
 * Q_online (double) or Q_target (the 2015 paper). On terminal transitions y is the reward.
 *
 * @returns [B, 2]
 */
export function tdTarget(parts: TdTargetParts): Tensor {
  const chooser = parts.double ? parts.nextOnline : parts.nextTarget;
  const wantsToGoOn = compare(of(chooser, CONTINUE), "Greater", of(chooser, EXIT));
  const goesOn = multiply(wantsToGoOn, parts.nextMayContinue); // the mask: at the last exit there is one action
  const exiting = of(parts.nextTarget, EXIT);
  const value = add(exiting, multiply(goesOn, subtract(of(parts.nextTarget, CONTINUE), exiting)));
  return add(parts.reward, multiply(parts.notTerminal, value));
}

/** [B, 1] */
function of(perAction: Tensor, action: Action): Tensor {
  return slice(perAction, 1, action, action + 1);
}

/** Loss of one member: the mean over the batch of Huber(Q(o, a) - y(a)) for the actions learned from. */
function memberLoss(
  { double, huberDelta }: DqnOptions,
  shape: QNetworkShape,
  transitions: Transitions,
  online: Parameter,
  target: Parameter,
): Tensor {
  const { observed, next, taken } = transitions;
  const [nextOnline, nextTarget] = [qNetwork(next, shape, online), qNetwork(next, shape, target)];
  const y = tdTarget({ ...transitions, nextOnline, nextTarget, double });
  const errors = subtract(qNetwork(observed, shape, online), stopGradient(y)); // [B, 2]
  return reduceMean(reduceSum(multiply(taken, huber(errors, huberDelta)), [1]));
}

/** One compiled step: forward, loss, backward, AdamW, then target += tau * (online - target) and the moving average. */
function trainingGraph(options: DqnOptions, { shape, initial }: Team): GraphDefinition {
  const online = initial.map((weights, m) => qVariables(`${m}.`, weights));
  const target = initial.map((weights, m) => qVariables(`target.${m}.`, weights));
  const transitions = transitionsOf(options, shape.inputs - 1);
  const losses = initial.map((_, m) =>
    memberLoss(options, shape, transitions(m), parameterOf(online[m]!), parameterOf(target[m]!)),
  );
  const loss = losses.reduce(add); // no parameter is in two of them

  const parameters = online.flatMap((one) => [...one.values()]);
  const slopes = gradients(loss, parameters);
  const updates = adamW(
    parameters.map((parameter, i) => ({
      parameter,
      gradient: slopes[i]!,
      decay: parameter.source.name.endsWith(".weight") ? options.decay : 0,
    })),
    input("rate", []),
  );
  const learned = parameters.map((parameter) => updates.find((one) => one.variable === parameter)!);
  const tau = input("tau", []);
  const followed = target
    .flatMap((one) => [...one.values()])
    .map((old, i): Update => ({ variable: old, next: add(old, multiply(tau, subtract(learned[i]!.next, old))) }));
  const averaged = movingAverages(learned, scalar(options.averaging));
  return { outputs: { loss }, updates: [...updates, ...followed, ...averaged] };
}

function qVariables(prefix: string, initial: Weights): Map<string, Variable> {
  return new Map([...initial].map(([name, { shape, data }]) => [name, variable(prefix + name, shape, data)]));
}

function parameterOf(variables: ReadonlyMap<string, Variable>): Parameter {
  return (name) => variables.get(name)!;
}

/** The mean of the members, for any number of states; its variables are written by `copyWeights`. */
function actingGraph({ shape, initial }: Team): GraphDefinition {
  const observed = observation(input("state", [1, shape.inputs - 1]), input("lambda", [1, 1]));
  const mean = parameterOf(qVariables("", meanNetwork(initial, shape)));
  return {
    outputs: { q: qNetwork(observed, { ...shape, hidden: meanWidths({ ...shape, members: initial.length }) }, mean) },
    anyBatch: true,
  };
}

/** Gives the actor the mean of the members as they are now. @param suffix ".average" for their moving averages */
async function copyWeights(learner: Program, actor: Program, { shape, initial }: Team, suffix = ""): Promise<Weights> {
  const read = async (m: number, name: string, one: NamedArray): Promise<[string, NamedArray]> => [
    name,
    { shape: one.shape, data: await learner.read(`${m}.${name}${suffix}`) },
  ];
  const members = await Promise.all(
    initial.map(async (weights, m) => new Map(await Promise.all([...weights].map((one) => read(m, ...one))))),
  );
  const mean = meanNetwork(members, shape);
  for (const [name, { data }] of mean) actor.write(name, data);
  return mean;
}

// ---- Acting ------------------------------------------------------------------------------------------------------------

/** P episodes under way. */
interface Acting {
  readonly random: Random;
  readonly image: Uint32Array;
  readonly exit: Uint8Array;
  /** [P, 1] each episode is played for a lambda of its own */
  readonly lambda: Float32Array;
  /** [P, S] */
  readonly state: Float32Array;
}

function createActing({ parallelEpisodes, seed, lambdaRange }: DqnOptions, episodes: Episodes): Acting {
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
async function act(
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

// ---- Learning ----------------------------------------------------------------------------------------------------------

interface Best {
  readonly weights: Weights;
  readonly step: number;
  readonly return: number;
}

/** Algorithm 1 of the 2015 paper: act, remember, sample, step, follow; and now and then look at the selection half. */
async function learn(
  options: DqnOptions,
  episodes: Episodes,
  judged: Episodes,
  learner: Program,
  actor: Program,
  team: Team,
): Promise<Best> {
  const { steps, batch, members, epsilon, target, learningRate, lambdaRange } = options;
  const replay = createReplay(options.replaySize);
  const acting = createActing(options, episodes);
  const random = seededRandom(options.seed, 0x1ea42);
  const feeds = createFeeds(members * batch, stateWidth(episodes.exits, episodes.classes));
  const slots = new Uint32Array(members * batch);
  while (replay.size < Math.min(options.warmup, options.replaySize))
    await act(acting, actor, episodes, replay, 1, lambdaRange);

  let best: Best | null = null;
  let [losses, counted] = [0, 0];
  for (let n = 0; n < steps; n++) {
    options.signal?.throwIfAborted();
    const explored = epsilonAt(epsilon, n / steps);
    if (n % options.actEvery === 0) {
      await copyWeights(learner, actor, team);
      await act(acting, actor, episodes, replay, explored, lambdaRange);
    }
    sampleSlots(replay, random, slots);
    fillFeeds(feeds, slots, replay, episodes, options, random);
    feeds.rate[0] = learningRate * (1 - n / steps);
    feeds.tau[0] = target.kind === "polyak" ? target.tau : (n + 1) % target.every === 0 ? 1 : 0;
    const { loss } = await learner.run(feeds);
    losses += loss![0]! / members;
    counted++;
    if ((n + 1) % options.selectEvery !== 0 && n + 1 !== steps) continue;

    const weights = await copyWeights(learner, actor, team, ".average");
    const { mean, exitShares } = await judge(actor, judged, lambdaGrid(lambdaRange, options.selectionLambdas));
    if (!best || mean > best.return) best = { weights, step: n + 1, return: mean };
    const progress = { step: n + 1, steps, epsilon: explored, loss: losses / counted, return: mean, exitShares };
    options.onProgress?.({ ...progress, best: best.return });
    [losses, counted] = [0, 0];
  }
  return best!; // there is a look after the last step
}

/** Falls linearly from start to end over the given fraction of learning, then stays. @param progress 0..1 */
export function epsilonAt({ start, end, fraction }: DqnOptions["epsilon"], progress: number): number {
  return progress >= fraction ? end : start + (end - start) * (progress / fraction);
}

/** Mean return and exit shares [E] of the greedy policy (epsilon 0) over some lambdas. */
async function judge(actor: Program, judged: Episodes, lambdas: readonly number[]) {
  const { count, exits, states, correct, shares } = judged;
  const exitShares = new Array<number>(exits).fill(0);
  const column = new Float32Array(count * exits);
  let mean = 0;
  for (const lambda of lambdas) {
    const { q } = await actor.run({ state: states, lambda: column.fill(lambda) });
    const chosen = greedyExits(q!, exits);
    mean += returnOf(chosen, correct, shares, lambda) / lambdas.length;
    for (const exit of chosen) exitShares[exit]! += 1 / (count * lambdas.length);
  }
  return { mean, exitShares };
}
