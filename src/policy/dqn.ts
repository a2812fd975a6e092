/**
 * Deep Q-learning of when to stop, in the order of the papers:
 *
 * - Mnih et al., "Human-level control through deep reinforcement learning" (Nature 2015), algorithm 1
 * - van Hasselt et al., "Deep Reinforcement Learning with Double Q-learning" (AAAI 2016), eq. 4
 * - Wang et al., "Dueling Network Architectures for Deep Reinforcement Learning" (ICML 2016), eq. 9 (in q-network.ts)
 * - Hessel et al., "Rainbow" (AAAI 2018), multi-step learning
 *
 * Our differences: gamma = 1 (at most E steps); a replayed episode is played on by the online network, since a table knows what
 * follows; the observation contains log lambda, and a replayed transition is given a fresh lambda each time, so that one agent serves
 * them all; many episodes act side by side (acting.ts); AdamW with a falling rate; the target network follows smoothly; a moving average
 * of the weights is what is selected (on other images) and returned. Several Q-networks may learn side by side (`members`), each from
 * batches and by a target network of its own; their mean then acts.
 * Letters: B batch, M members (Q-networks), P parallel episodes, N images, E exits, S width of a state, D of an observation.
 */

import { answersOf, fitAnswers } from "../exits/answers.ts";
import { type Action, CONTINUE, EXIT, returnOf } from "../exits/environment.ts";
import { type Episodes, prepareEpisodes } from "../exits/episodes.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
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
import { constant, input, scalar, stopGradient, type Tensor, type Variable, variable } from "../graph/tensor.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { seededRandom } from "../random.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { act, createActing, epsilonAt } from "./acting.ts";
import { type Agent, greedyExits } from "./agent.ts";
import { checkTables, type DqnOptions, dqnOptions } from "./dqn-options.ts";
import { exitUnitWeights, hasExitUnits, initialExitUnits, learnableWeights } from "./exit-units.ts";
import {
  checkedQWeights,
  initialQWeights,
  meanNetwork,
  meanWidths,
  type Parameter,
  type QNetworkShape,
  qNetwork,
} from "./q-network.ts";
import { createReplay, sampleSlots } from "./replay.ts";
import { createFeeds, fillFeeds, type Transitions, transitionsOf } from "./replayed-batch.ts";

export { DQN_DEFAULTS, type DqnOptions, type DqnProgress } from "./dqn-options.ts";

export interface TrainedAgent {
  readonly agent: Agent;
  /** Always `steps`, unless learning was aborted: then nothing is returned. */
  readonly gradientSteps: number;
  /** The gradient step after which the returned weights were selected; without selection the last one. */
  readonly selectedStep: number;
  /** Their mean return over the selection lambdas, on the selecting images (without them, on those learned from). */
  readonly selectionReturn: number;
}

/**
 * Learns an exit policy from frozen logits.
 *
 * @param fit images of validation that the answers' rule and the Q-network are fitted to
 * @param selection others, which decide which of the weights on the way are returned; null: the last ones are
 * @throws {UserError} if an option is out of its range
 * @throws {RangeError} if the two tables do not fit each other or one is empty
 */
export async function trainAgent(
  runtime: Runtime,
  fit: ExitTable,
  selection: ExitTable | null,
  costs: ExitCosts,
  given: Partial<DqnOptions> = {},
): Promise<TrainedAgent> {
  const options = dqnOptions(given);
  checkTables(fit, selection ?? fit);
  const { dueling, lambdaRange } = options;
  const rule = fitAnswers(fit);
  const episodes = await prepareEpisodes(runtime, answersOf(fit, rule), costs, options.rewards);
  const judged = selection ? await prepareEpisodes(runtime, answersOf(selection, rule), costs) : episodes;
  const team = createTeam(options, episodes);
  const learner = await Program.compile(runtime, trainingGraph(options, team), ONE_THREAD);
  const actor = await Program.compile(runtime, actingGraph(team), ONE_THREAD);
  try {
    const best = await learn(options, { episodes, judged, selects: selection !== null }, learner, actor, team);
    const { exits, classes } = fit;
    const hidden = meanWidths({ ...team.shape, members: options.members });
    const agent: Agent = { ...rule, weights: best.weights, hidden, dueling, exits, classes, lambdaRange };
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
  /** 1 for the weights that learn, 0 for those that stay; null: all learn */
  readonly learnable: Weights | null;
}

function createTeam(
  { members, network, hidden, dueling, lambdaRange, seed, start }: DqnOptions,
  episodes: Episodes,
): Team {
  const { exits, classes, shares } = episodes;
  const inputs = stateWidth(exits, classes) + 1;
  const team = Array.from({ length: members }, (_, m) => m);
  if (network === "dense" || start) {
    const shape = { inputs, hidden, dueling };
    const initial = team.map((m) => (start ? checkedQWeights(start, shape) : initialQWeights(shape, seed, `${m}.`)));
    const learnable = hasExitUnits(initial[0]!) ? learnableWeights(initial[0]!, exits, classes) : null;
    return { shape, initial, learnable };
  }
  const initial = team.map((m) => {
    const units = initialExitUnits(shares, lambdaRange, hidden[0]!, members * seed + m);
    return exitUnitWeights(units, exits, classes);
  });
  const shape = { inputs, hidden: [initial[0]!.get("hidden.0.bias")!.data.length], dueling };
  return { shape, initial, learnable: learnableWeights(initial[0]!, exits, classes) };
}

/** Graphs this small lose more by waking a second thread than they gain. */
const ONE_THREAD = { threads: 1 };

// ---- The TD target and one gradient step -------------------------------------------------------------------------------

export interface TdTargetParts extends Pick<Transitions, "reward" | "notTerminal"> {
  /** [B, 1] 0 where the next exit is the last one, else 1 */
  readonly nextMayContinue: Tensor;
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

/**
 * The same over more steps: the episode is played on by the chooser, and what it brings is what came, but for the last step, whose value
 * the target network estimates unless it is the last exit. With one step it is `tdTarget`.
 *
 * @param later online and target network at the exits that follow, [B, 2] each
 * @returns [B, 2]
 */
export function multiStepTarget(
  { reward, notTerminal, ahead }: Pick<Transitions, "reward" | "notTerminal" | "ahead">,
  later: readonly { readonly online: Tensor; readonly target: Tensor }[],
  double: boolean,
): Tensor {
  const none = { reward: scalar(0), notTerminal: scalar(1), double };
  let value: Tensor | null = null;
  for (const [step, { right, price, mayContinue: allowed }] of [...ahead.entries()].reverse()) {
    const { online, target } = later[step]!;
    if (value === null) {
      const next = { nextOnline: online, nextTarget: target };
      if (step === 0) return tdTarget({ reward, notTerminal, double, ...next, nextMayContinue: allowed });
      const estimated = tdTarget({ ...none, ...next, nextMayContinue: scalar(1) }); // [B, 1]
      value = add(right, multiply(allowed, subtract(estimated, right)));
      continue;
    }
    const chooser = double ? online : target;
    const goesOn = multiply(compare(of(chooser, CONTINUE), "Greater", of(chooser, EXIT)), allowed);
    value = add(right, multiply(goesOn, subtract(add(price, value), right)));
  }
  return add(reward, multiply(notTerminal, value!));
}

/** Loss of one member: the mean over the batch of Huber(Q(o, a) - y(a)) for the actions learned from. */
function memberLoss(
  { double, huberDelta }: DqnOptions,
  shape: QNetworkShape,
  transitions: Transitions,
  online: Parameter,
  target: Parameter,
): Tensor {
  const { observed, ahead, taken } = transitions;
  const later = ahead.map((one) => ({
    online: double ? qNetwork(one.observed, shape, online) : observed,
    target: qNetwork(one.observed, shape, target),
  }));
  const y = multiStepTarget(transitions, later, double);
  const errors = subtract(qNetwork(observed, shape, online), stopGradient(y)); // [B, 2]
  return reduceMean(reduceSum(multiply(taken, huber(errors, huberDelta)), [1]));
}

/** One compiled step: forward, loss, backward, AdamW, then target += tau * (online - target) and the moving average. */
function trainingGraph(options: DqnOptions, { shape, initial, learnable }: Team): GraphDefinition {
  const first = (weights: Weights): Weights => (learnable ? emptied(weights) : weights);
  const online = initial.map((weights, m) => qVariables(`${m}.`, first(weights)));
  const target = initial.map((weights, m) => qVariables(`target.${m}.`, first(weights)));
  const transitions = transitionsOf(options, shape.inputs - 1);
  const of = (variables: ReadonlyMap<string, Variable>, m: number): Parameter =>
    learnable ? corrected(initial[m]!, learnable, variables) : parameterOf(variables);
  const losses = initial.map((_, m) =>
    memberLoss(options, shape, transitions(m), of(online[m]!, m), of(target[m]!, m)),
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

/** What is learned is a correction: weight = first weight + learnable * variable, so that decay draws it back to the first one. */
function corrected(first: Weights, learnable: Weights, variables: ReadonlyMap<string, Variable>): Parameter {
  const built = new Map<string, Tensor>();
  return (name) => {
    const known = built.get(name);
    if (known) return known;
    const { shape, data } = first.get(name)!;
    const learned = multiply(variables.get(name)!, constant(learnable.get(name)!.data, shape));
    const weight = add(constant(data, shape), learned);
    built.set(name, weight);
    return weight;
  };
}

function emptied(weights: Weights): Weights {
  return new Map([...weights].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }]));
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
async function copyWeights(learner: Program, actor: Program, team: Team, suffix = ""): Promise<Weights> {
  const { shape, initial, learnable } = team;
  const read = async (m: number, name: string, one: NamedArray): Promise<[string, NamedArray]> => {
    const data = await learner.read(`${m}.${name}${suffix}`);
    const mask = learnable?.get(name)?.data;
    return [name, { shape: one.shape, data: mask ? one.data.map((value, i) => value + mask[i]! * data[i]!) : data }];
  };
  const members = await Promise.all(
    initial.map(async (weights, m) => new Map(await Promise.all([...weights].map((one) => read(m, ...one))))),
  );
  const mean = meanNetwork(members, shape);
  for (const [name, { data }] of mean) actor.write(name, data);
  return mean;
}

// ---- Learning ----------------------------------------------------------------------------------------------------------

interface Best {
  readonly weights: Weights;
  readonly step: number;
  readonly return: number;
}

/** Algorithm 1 of the 2015 paper: act, remember, sample, step, follow; and now and then look at how it fares. */
async function learn(
  options: DqnOptions,
  { episodes, judged, selects }: { episodes: Episodes; judged: Episodes; selects: boolean },
  learner: Program,
  actor: Program,
  team: Team,
): Promise<Best> {
  const { steps, batch, members, epsilon, target, learningRate, lambdaRange } = options;
  const replay = createReplay(options.replaySize);
  const acting = createActing(options, episodes);
  const random = seededRandom(options.seed, 0x1ea42);
  const width = stateWidth(episodes.exits, episodes.classes);
  const feeds = createFeeds(members * batch, width, options.returnSteps);
  const slots = new Uint32Array(members * batch);
  while (replay.size < Math.min(options.warmup, options.replaySize))
    await act(acting, actor, episodes, replay, 1, lambdaRange);

  let best: Best | null = null;
  let [losses, counted, highest] = [0, 0, Number.NEGATIVE_INFINITY];
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
    highest = Math.max(highest, mean);
    if (!best || !selects || mean > best.return) best = { weights, step: n + 1, return: mean };
    const progress = { step: n + 1, steps, epsilon: explored, loss: losses / counted, return: mean, exitShares };
    options.onProgress?.({ ...progress, best: highest });
    [losses, counted] = [0, 0];
  }
  return best!; // there is a look after the last step
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
