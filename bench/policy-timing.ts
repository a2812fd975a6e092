/** What deciding costs in time: a stage with the agent minus the same stage without it. */
import { softmax } from "../src/graph/loss.ts";
import type { GraphDefinition } from "../src/graph/onnx.ts";
import { input, type Shape, sizeOf } from "../src/graph/tensor.ts";
import { firstFeeds, handedOn } from "../src/inference/classification.ts";
import { stageGraphs } from "../src/inference/stage-programs.ts";
import type { LearnedPolicy } from "../src/model/model.ts";
import { foldBatchNorm } from "../src/network/folding.ts";
import { buildInferenceStage } from "../src/network/inference-graph.ts";
import { fixedExitAgent } from "../src/policy/fixed-exit-agent.ts";
import { median } from "../src/policy/stage-times.ts";
import { normal, seededRandom } from "../src/random.ts";
import { Program, type Values } from "../src/runtime/program.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import type { TrainedNetwork } from "../src/training/train.ts";

export interface DecideMicros {
  /** microseconds for one image at batch 1, mean over all exits but the last */
  readonly one: number;
  /** microseconds per image at batch 256 */
  readonly batch256: number;
}

const ROUNDS = { one: 3000, batch256: 60 };

/** Medians of paired differences: the two take turns, each one first every other time. */
export async function measureDeciding(
  runtime: Runtime,
  network: TrainedNetwork,
  policy: LearnedPolicy,
): Promise<DecideMicros> {
  const pairs: { withAgent: Program; without: Program }[] = [];
  const plain = plainStages(network);
  const onward = fixedExitAgent(policy.agent, policy.agent.exits - 1); // as many images for every stage
  for (const [k, graph] of stageGraphs(network, { ...policy, agent: onward })
    .slice(0, -1)
    .entries())
    pairs.push({
      withAgent: await Program.compile(runtime, graph),
      without: await Program.compile(runtime, plain[k]!),
    });
  const measure = async (batch: number, rounds: number): Promise<number> => {
    const all = Array.from({ length: batch }, (_, i) => i);
    const classes = network.classes.length;
    let feeds = firstFeeds(noise([batch, ...network.blueprint.input]), batch, policy.lambda);
    const perExit: number[] = [];
    for (const [exit, { withAgent, without }] of pairs.entries()) {
      perExit.push((1000 * (await pairedDifference(withAgent, without, feeds, rounds))) / batch);
      feeds = handedOn(feeds, await withAgent.run(feeds), { exit, isLast: false, classes }, batch, all);
    }
    return perExit.reduce((a, b) => a + b) / perExit.length;
  };
  try {
    return { one: await measure(1, ROUNDS.one), batch256: await measure(256, ROUNDS.batch256) };
  } finally {
    for (const { withAgent, without } of pairs) {
      await withAgent.close();
      await without.close();
    }
  }
}

/** Stages that compute their probabilities and nothing of the agent. */
function plainStages(network: TrainedNetwork): GraphDefinition[] {
  const { blueprint, weights } = foldBatchNorm(network.blueprint, network.weights);
  let shape: Shape = [1, ...blueprint.input];
  return blueprint.stages.map((_, k) => {
    const stage = buildInferenceStage(blueprint, weights, network.classes.length, k, input("x", shape));
    shape = stage.features.shape;
    return { outputs: { probabilities: softmax(stage.logits), "next:x": stage.features }, anyBatch: true };
  });
}

async function pairedDifference(a: Program, b: Program, feeds: Values, rounds: number): Promise<number> {
  const timed = async (program: Program): Promise<number> => {
    const begun = performance.now();
    await program.run(feeds);
    return performance.now() - begun;
  };
  const differences: number[] = [];
  for (let round = -10; round < rounds; round++) {
    const isFirst = round % 2 === 0;
    const early = await timed(isFirst ? a : b);
    const late = await timed(isFirst ? b : a);
    if (round >= 0) differences.push(isFirst ? early - late : late - early);
  }
  return median(differences);
}

function noise(shape: Shape): Float32Array {
  const random = seededRandom(1);
  return Float32Array.from({ length: sizeOf(shape) }, () => normal(random));
}
