/** What deciding costs in time: a stage with the agent minus the same stage without it. */

import { exitScores } from "../src/exits/answers.ts";
import { answerCount, costShares } from "../src/exits/observation.ts";
import { reshape } from "../src/graph/broadcast.ts";
import { concat, slice } from "../src/graph/layout.ts";
import { softmax } from "../src/graph/loss.ts";
import type { GraphDefinition } from "../src/graph/onnx.ts";
import { input, node, type Shape, type Source, scalar, sizeOf } from "../src/graph/tensor.ts";
import { flowNames, looksBack, stageGraphs, stageInputs } from "../src/inference/stage-programs.ts";
import type { StagedNetwork } from "../src/network/staged-network.ts";
import { decisionLayers } from "../src/policy/decision-layers.ts";
import { fixedExitAgent } from "../src/policy/fixed-exit-agent.ts";
import type { LearnedPolicy } from "../src/policy/learned-policy.ts";
import { stageDecision } from "../src/policy/stage-decision.ts";
import { normal, seededRandom } from "../src/random.ts";
import { Program, type Values } from "../src/runtime/program.ts";
import type { Runtime } from "../src/runtime/runtime.ts";

/** Microseconds per image, means over all exits but the last. */
export interface DecideMicros {
  /** at batch 1 */
  readonly one: number;
  readonly batch256: number;
  /**
   * The same of a graph of nothing but the decision, from logits on, against one of their softmax: at batch 256 a stage takes some
   * hundred times as long as its decision, and varies by about as much.
   */
  readonly alone: { readonly one: number; readonly batch256: number };
}

const ROUNDS = { one: 3000, batch256: 200, alone: 2000 };

/**
 * The two take turns, each one first every other time. Every image leaves at the stage measured: maps carried out for the next one
 * would cost both as much, and so much in a batch (of 256, tens of megabytes) that nothing else could be told apart.
 *
 * @param share of the usual number of rounds
 */
export async function measureDeciding(
  runtime: Runtime,
  network: StagedNetwork,
  policy: LearnedPolicy,
  share = 1,
): Promise<DecideMicros> {
  const roundsOf = (rounds: number): number => Math.ceil(share * rounds);
  const pairs: { withAgent: Program; without: Program }[] = [];
  const plain = plainStages(network);
  const leaving: LearnedPolicy = { ...policy, decider: "dqn", agent: fixedExitAgent(policy.agent, 0) };
  const stageGraph = stageGraphs(network, leaving);
  const remembers = looksBack(leaving);
  const graphs = network.stages.slice(0, -1).map((_, exit) => stageGraph(exit));
  for (const [k, graph] of graphs.entries())
    pairs.push({
      withAgent: await Program.compile(runtime, graph),
      without: await Program.compile(runtime, plain[k]!),
    });
  const classes = network.classes.length;
  const measure = async (batch: number, rounds: number): Promise<number> => {
    let [width, micros] = [1, 0];
    for (const [exit, { withAgent, without }] of pairs.entries()) {
      const maps = Object.fromEntries(
        stageInputs(network, exit).map(({ source, shape }) => [
          (source as InputSource).name,
          noise([batch, ...shape.slice(1)]),
        ]),
      );
      const before = exit === 0 ? {} : { topClass: new Float32Array(batch), before: logNoise(batch, classes) };
      const known = { seen: noise([batch, width]), ...before };
      micros += (1000 * (await difference([withAgent, { ...maps, ...known }], [without, maps], rounds))) / batch;
      if (remembers) width += answerCount(classes, exit);
    }
    return micros / pairs.length;
  };
  try {
    return {
      one: await measure(1, roundsOf(ROUNDS.one)),
      batch256: await measure(256, roundsOf(ROUNDS.batch256)),
      alone: {
        one: await decisionAlone(runtime, policy, 1, roundsOf(ROUNDS.alone)),
        batch256: await decisionAlone(runtime, policy, 256, roundsOf(ROUNDS.alone)),
      },
    };
  } finally {
    for (const { withAgent, without } of pairs) {
      await withAgent.close();
      await without.close();
    }
  }
}

/** See `DecideMicros.alone`; microseconds per image. */
async function decisionAlone(
  runtime: Runtime,
  { agent, costs }: LearnedPolicy,
  batch: number,
  rounds: number,
): Promise<number> {
  const { classes, exits } = agent;
  const layers = decisionLayers(agent, costShares(costs));
  const logits = input("logits", [batch, classes]);
  const without = await Program.compile(runtime, { outputs: { probabilities: softmax(logits) } });
  let [width, micros] = [1, 0];
  for (let exit = 0; exit < exits - 1; exit++) {
    const seen = input("seen", [batch, width]);
    const previousTopClass = exit === 0 || !layers.looksBack ? null : input("topClass", [batch, 1]);
    const before = exit === 0 ? null : input("before", [batch, classes]);
    const scores = exitScores(agent, exit, logits, before);
    const decision = stageDecision(layers, { exit, scores, seen, previousTopClass });
    const outputs = {
      answer: concat([decision.probabilities, ...decision.answer, decision.q], 1),
      exitNow: decision.exitNow,
    };
    const withAgent = await Program.compile(runtime, { outputs });
    const feeds: Record<string, Float32Array> = { logits: noise(logits.shape) };
    const known = {
      ...feeds,
      seen: noise(seen.shape),
      ...(previousTopClass ? { topClass: new Float32Array(batch) } : {}),
      ...(before ? { before: noise(logits.shape) } : {}),
    };
    micros += (1000 * (await difference([withAgent, known], [without, feeds], rounds))) / batch;
    await withAgent.close();
    if (layers.looksBack) width += answerCount(classes, exit);
  }
  await without.close();
  return micros / (exits - 1);
}

/** Stages that compute their probabilities and nothing of the agent; they hand on no image in the same way, so that this costs both the same. */
function plainStages(network: StagedNetwork): GraphDefinition[] {
  return network.stages.map((_, k) => {
    const stage = network.build(k, stageInputs(network, k), "batchFirst");
    const probabilities = softmax(stage.logits);
    const first = reshape(slice(probabilities, 1, 0, 1), [1]);
    const goesOn = node("GreaterOrEqual", [first, scalar(2)], {}, [1], "bool");
    const names = flowNames(stage.handsOn.length);
    const next = stage.handsOn.map((one, i) => [
      `next:${names[i]}`,
      node("Compress", [one, goesOn], { axis: 0 }, one.shape, one.type),
    ]);
    return { outputs: { probabilities, ...Object.fromEntries(next) }, anyBatch: true };
  });
}

/**
 * Milliseconds that `a` takes longer than `b`: the quickest tenth of its runs against that of the other's, since whatever else the
 * machine does makes runs longer, and by more than an agent does.
 */
async function difference(a: Timed, b: Timed, rounds: number): Promise<number> {
  const times = new Map<Timed, number[]>([
    [a, []],
    [b, []],
  ]);
  for (let round = -10; round < rounds; round++)
    for (const one of round % 2 === 0 ? [a, b] : [b, a]) {
      const [program, feeds] = one;
      const begun = performance.now();
      await program.run(feeds);
      if (round >= 0) times.get(one)!.push(performance.now() - begun);
    }
  const quickest = (one: Timed): number => times.get(one)!.sort((x, y) => x - y)[Math.floor(rounds / 10)]!;
  return quickest(a) - quickest(b);
}

type InputSource = Extract<Source, { kind: "input" }>;

type Timed = readonly [Program, Values];

/** Logarithms of probabilities [batch, classes]. */
function logNoise(batch: number, classes: number): Float32Array {
  return noise([batch, classes]).fill(-Math.log(classes));
}

function noise(shape: Shape): Float32Array {
  const random = seededRandom(1);
  return Float32Array.from({ length: sizeOf(shape) }, () => normal(random));
}
