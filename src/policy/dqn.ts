/**
 * Deep Q-learning of when to stop, in the order of the papers:
 * Mnih et al., "Human-level control through deep reinforcement learning" (Nature 2015): replay, target network, epsilon-greedy;
 * van Hasselt et al., "Deep Reinforcement Learning with Double Q-learning" (AAAI 2016);
 * Wang et al., "Dueling Network Architectures" (ICML 2016).
 */
import { add, compare, multiply, subtract } from "../graph/elementwise.ts";
import { gradients } from "../graph/gradients.ts";
import { concat, slice } from "../graph/layout.ts";
import { huber } from "../graph/loss.ts";
import { adamW, type Trained, type Update } from "../graph/optimizer.ts";
import { reduceMean, reduceSum } from "../graph/reduce.ts";
import { input, scalar, stopGradient, type Tensor, type Variable, variable } from "../graph/tensor.ts";
import type { NamedArray } from "../network/weights.ts";
import { integer, type Random, seededRandom, uniform } from "../random.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Agent, greedyExits, type LambdaRange } from "./agent.ts";
import { fitTemperatures } from "./calibration.ts";
import { type Action, CONTINUE, correctAnswers, EXIT, mayContinue, returnOf, step } from "./environment.ts";
import type { ExitCosts, ExitTable } from "./exit-table.ts";
import { costShares, observation, observations, stateWidth } from "./observation.ts";
import { ACTIONS, initialQWeights, type Parameter, type QNetworkShape, qNetwork } from "./q-network.ts";
import { createReplay, type Replay, remember, sampleSlots } from "./replay.ts";

export interface DqnOptions {
  hidden: readonly number[];
  dueling: boolean;
  double: boolean;
  lambdaRange: LambdaRange;
  updates: "sampled" | "allActions";
  replaySize: number;
  batch: number;
  learningRate: number;
  finalRate: number;
  decay: number;
  huberDelta: number;
  target: { kind: "copy"; every: number } | { kind: "polyak"; tau: number };
  epsilon: { start: number; end: number; fraction: number };
  steps: number;
  warmup: number;
  parallelEpisodes: number;
  actEvery: number;
  selectEvery: number;
  selectionLambdas: number;
  average: number;
  seed: number;
  onProgress?: (progress: DqnProgress) => void;
  signal?: AbortSignal;
}

export const DQN_DEFAULTS: DqnOptions = {
  hidden: [64, 64],
  dueling: true,
  double: true,
  lambdaRange: { from: 0.01, to: 1 },
  updates: "sampled",
  replaySize: 20_000,
  batch: 256,
  learningRate: 1e-3,
  finalRate: 0,
  decay: 0.01,
  huberDelta: 1,
  target: { kind: "polyak", tau: 0.01 },
  epsilon: { start: 1, end: 0.1, fraction: 0.5 },
  steps: 10_000,
  warmup: 2000,
  parallelEpisodes: 256,
  actEvery: 8,
  selectEvery: 500,
  selectionLambdas: 9,
  average: 0,
  seed: 0,
};

export interface DqnProgress {
  step: number;
  steps: number;
  epsilon: number;
  loss: number;
  return: number;
  best: number;
  exitShares: number[];
}

export interface DqnResult {
  agent: Agent;
  gradientSteps: number;
  bestStep: number;
  selectionReturn: number;
}

interface Column {
  table: ExitTable;
  correct: Uint8Array;
  states: Float32Array;
}

export function tdTarget(x: {
  reward: Tensor;
  notTerminal: Tensor;
  nextMayContinue: Tensor;
  nextOnline: Tensor;
  nextTarget: Tensor;
  double: boolean;
}): Tensor {
  const q = (t: Tensor, a: Action): Tensor => slice(t, 1, a, a + 1);
  const selector = x.double ? x.nextOnline : x.nextTarget;
  const goesOn = multiply(compare(q(selector, CONTINUE), "Greater", q(selector, EXIT)), x.nextMayContinue);
  const stays = q(x.nextTarget, EXIT);
  const value = add(stays, multiply(goesOn, subtract(q(x.nextTarget, CONTINUE), stays)));
  return add(x.reward, multiply(x.notTerminal, value));
}

function trainingGraph(o: DqnOptions, width: number, initial: Map<string, NamedArray>) {
  const { batch } = o;
  const shape: QNetworkShape = { inputs: width + 1, hidden: o.hidden, dueling: o.dueling };
  const variables = (prefix: string): Map<string, Variable> =>
    new Map([...initial].map(([name, { shape: s, data }]) => [name, variable(prefix + name, s, data)]));
  const online = variables("");
  const target = variables("target.");
  const of =
    (from: Map<string, Variable>): Parameter =>
    (name) =>
      from.get(name)!;
  const lambda = input("lambda", [batch, 1]);
  const taken = input("taken", [batch, ACTIONS]);
  const observed = observation(input("state", [batch, width]), lambda);
  const next = observation(input("nextState", [batch, width]), lambda);
  const q = qNetwork(observed, shape, of(online));
  const y = tdTarget({
    reward: input("reward", [batch, ACTIONS]),
    notTerminal: input("notTerminal", [batch, ACTIONS]),
    nextMayContinue: input("nextMayContinue", [batch, 1]),
    nextOnline: qNetwork(next, shape, of(online)),
    nextTarget: qNetwork(next, shape, of(target)),
    double: o.double,
  });
  const error = multiply(taken, huber(subtract(q, stopGradient(y)), o.huberDelta));
  const loss = reduceMean(reduceSum(error, [1]));
  const parameters = [...online.values()];
  const grads = gradients(loss, parameters);
  const trained: Trained[] = parameters.map((parameter, i) => ({
    parameter,
    gradient: grads[i]!,
    decay: parameter.source.name.endsWith(".weight") ? o.decay : 0,
  }));
  const updates = adamW(trained, input("rate", []));
  const tau = input("tau", []);
  const blended = [...online].map(([name, v]): Update => {
    const newest = updates.find((u) => u.variable === v)!.next;
    const t = target.get(name)!;
    return { variable: t, next: add(t, multiply(tau, subtract(newest, t))) };
  });
  const averages = o.average > 0 ? averagesOf() : [];
  function averagesOf(): Update[] {
    return [...online].map(([name, v]): Update => {
      const newest = updates.find((u) => u.variable === v)!.next;
      const t = variable(`average.${name}`, v.shape, initial.get(name)!.data);
      return { variable: t, next: add(t, multiply(scalar(1 - o.average), subtract(newest, t))) };
    });
  }
  return { outputs: { loss }, updates: [...updates, ...blended, ...averages] };
}

export async function trainAgent(
  runtime: Runtime,
  fit: ExitTable,
  selection: ExitTable,
  costs: ExitCosts,
  options: Partial<DqnOptions> = {},
): Promise<DqnResult> {
  const o = { ...DQN_DEFAULTS, ...options };
  const temperatures = fitTemperatures(fit);
  const shares = costShares(costs);
  const prepare = async (table: ExitTable): Promise<Column> => ({
    table,
    correct: correctAnswers(table),
    states: await observations(runtime, table, temperatures, costs),
  });
  const [train, select] = [await prepare(fit), await prepare(selection)];
  const width = stateWidth(fit.exits, fit.classes);
  const initial = initialQWeights({ inputs: width + 1, hidden: o.hidden, dueling: o.dueling }, o.seed);
  const learner = await Program.compile(runtime, trainingGraph(o, width, initial), { threads: 1 });
  const actor = await compileActor(runtime, o, width, initial);
  const replay = createReplay(o.replaySize);
  const [actingRandom, learningRandom] = [seededRandom(o.seed, 1), seededRandom(o.seed, 2)];
  const drawLambda = (r: Random): number => o.lambdaRange.from * (o.lambdaRange.to / o.lambdaRange.from) ** uniform(r);
  const E = fit.exits;
  // acting
  const M = o.parallelEpisodes;
  const image = new Uint32Array(M);
  const exit = new Uint8Array(M);
  const lambda = new Float32Array(M);
  const begin = (e: number): void => {
    image[e] = integer(actingRandom, 0, fit.count - 1);
    exit[e] = 0;
    lambda[e] = drawLambda(actingRandom);
  };
  for (let e = 0; e < M; e++) begin(e);
  const actState = new Float32Array(M * width);
  const act = async (epsilon: number): Promise<void> => {
    for (let e = 0; e < M; e++) {
      const row = (image[e]! * E + exit[e]!) * width;
      actState.set(train.states.subarray(row, row + width), e * width);
    }
    const q = epsilon < 1 ? (await actor.run({ state: actState, lambda })).q! : null;
    for (let e = 0; e < M; e++) {
      const can = mayContinue(exit[e]!, E);
      let action: Action = EXIT;
      if (can) {
        if (!q || uniform(actingRandom) < epsilon) action = integer(actingRandom, 0, 1) as Action;
        else action = q[e * 2 + EXIT]! >= q[e * 2]! ? EXIT : CONTINUE;
      }
      const outcome = step(train.correct, shares, image[e]!, exit[e]!, action);
      remember(replay, image[e]!, exit[e]!, action, outcome);
      if (outcome.terminal) begin(e);
      else exit[e]!++;
    }
  };
  while (replay.size < Math.min(o.warmup, o.replaySize)) await act(1);
  const feeds = {
    state: new Float32Array(o.batch * width),
    nextState: new Float32Array(o.batch * width),
    lambda: new Float32Array(o.batch),
    taken: new Float32Array(o.batch * 2),
    reward: new Float32Array(o.batch * 2),
    notTerminal: new Float32Array(o.batch * 2),
    nextMayContinue: new Float32Array(o.batch),
    rate: new Float32Array(1),
    tau: new Float32Array(1),
  };
  const slots = new Uint32Array(o.batch);
  let best = -Infinity;
  let bestWeights = initial;
  let bestStep = 0;
  const grid = lambdaGrid(o.lambdaRange, o.selectionLambdas);
  let epsilon = 1;
  let n = 0;
  for (; n < o.steps; n++) {
    o.signal?.throwIfAborted();
    epsilon =
      o.epsilon.start + (o.epsilon.end - o.epsilon.start) * Math.min(1, n / (o.epsilon.fraction * o.steps || 1));
    if (n % o.actEvery === 0) {
      copyWeights(learner, actor, initial, "");
      await act(epsilon);
    }
    sampleSlots(replay, learningRandom, slots);
    feeds.taken.fill(0);
    feeds.reward.fill(0);
    feeds.notTerminal.fill(0);
    for (let b = 0; b < o.batch; b++) {
      const s = slots[b]!;
      const [i, k] = [replay.image[s]!, replay.exit[s]!];
      const l = drawLambda(learningRandom);
      feeds.lambda[b] = l;
      const row = (i * E + k) * width;
      feeds.state.set(train.states.subarray(row, row + width), b * width);
      const nextRow = k < E - 1 ? row + width : row;
      feeds.nextState.set(train.states.subarray(nextRow, nextRow + width), b * width);
      feeds.nextMayContinue[b] = mayContinue(k + 1, E);
      if (o.updates === "sampled") {
        const a = replay.action[s]!;
        feeds.taken[b * 2 + a] = 1;
        feeds.reward[b * 2 + a] = replay.correctness[s]! - l * replay.costShare[s]!;
        feeds.notTerminal[b * 2 + a] = 1 - replay.terminal[s]!;
      } else {
        feeds.taken[b * 2 + 1] = 1;
        feeds.reward[b * 2 + 1] = train.correct[i * E + k]!;
        if (k < E - 1) {
          feeds.taken[b * 2] = 1;
          feeds.notTerminal[b * 2] = 1;
          feeds.reward[b * 2] = -l * (shares[k + 1]! - shares[k]!);
        }
      }
    }
    const left = 1 - n / o.steps;
    feeds.rate[0] = o.finalRate + (o.learningRate - o.finalRate) * left;
    feeds.tau[0] = o.target.kind === "polyak" ? o.target.tau : (n + 1) % o.target.every === 0 ? 1 : 0;
    const { loss } = await learner.run(feeds);
    if ((n + 1) % o.selectEvery === 0 || n + 1 === o.steps) {
      copyWeights(learner, actor, initial, o.average > 0 ? "average." : "");
      let total = 0;
      const sharesOf = new Array<number>(E).fill(0);
      for (const l of grid) {
        const { q } = await actor.run({
          state: select.states,
          lambda: new Float32Array(selection.count * E).fill(l),
        });
        const chosen = greedyExits(q!, E);
        total += returnOf(chosen, select.correct, shares, l) / grid.length;
        for (const c of chosen) sharesOf[c]! += 1 / chosen.length / grid.length;
      }
      if (total > best) {
        best = total;
        bestStep = n + 1;
        bestWeights = new Map(
          [...initial].map(([name, { shape }]) => [name, { shape, data: actor.read(name).slice() }]),
        );
      }
      o.onProgress?.({
        step: n + 1,
        steps: o.steps,
        epsilon,
        loss: loss![0]!,
        return: total,
        best,
        exitShares: sharesOf,
      });
    }
  }
  await learner.close();
  await actor.close();
  const agent: Agent = {
    weights: bestWeights,
    hidden: o.hidden,
    dueling: o.dueling,
    exits: E,
    classes: fit.classes,
    temperatures,
    lambdaRange: o.lambdaRange,
  };
  return { agent, gradientSteps: n, bestStep, selectionReturn: best };
}

function copyWeights(learner: Program, actor: Program, names: Map<string, NamedArray>, prefix: string): void {
  for (const name of names.keys()) actor.write(name, learner.read(prefix + name));
}

async function compileActor(runtime: Runtime, o: DqnOptions, width: number, initial: Map<string, NamedArray>) {
  const q = qNetwork(
    observation(input("state", [1, width]), input("lambda", [1, 1])),
    { inputs: width + 1, hidden: o.hidden, dueling: o.dueling },
    (name, s) => variable(name, s, initial.get(name)!.data),
  );
  return Program.compile(runtime, { outputs: { q }, anyBatch: true });
}

export function lambdaGrid({ from, to }: LambdaRange, points: number): number[] {
  if (from === to || points < 2) return [from];
  return Array.from({ length: points }, (_, i) => from * (to / from) ** (i / (points - 1)));
}
void concat;
