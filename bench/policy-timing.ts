/** What deciding costs in time: a stage with the agent minus the same stage without it. */
import type { GraphDefinition } from "../src/graph/onnx.ts";
import { type Shape, sizeOf } from "../src/graph/tensor.ts";
import { stageGraphs } from "../src/inference/stage-programs.ts";
import type { LearnedPolicy } from "../src/model/model.ts";
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
  const graphs = stageGraphs(network, policy).slice(0, -1);
  const pairs: { withAgent: Program; without: Program }[] = [];
  for (const graph of graphs)
    pairs.push({
      withAgent: await Program.compile(runtime, graph),
      without: await Program.compile(runtime, withoutAgent(graph)),
    });
  const measure = async (batch: number, rounds: number): Promise<number> => {
    let feeds = firstFeeds(network, policy, batch);
    const perExit: number[] = [];
    for (const { withAgent, without } of pairs) {
      perExit.push((1000 * (await pairedDifference(withAgent, without, feeds, rounds))) / batch);
      feeds = nextFeeds(await withAgent.run(feeds), feeds);
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

function withoutAgent({ outputs, ...rest }: GraphDefinition): GraphDefinition {
  return { ...rest, outputs: { probabilities: outputs.probabilities!, "next:x": outputs["next:x"]! } };
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

function firstFeeds({ blueprint }: TrainedNetwork, { lambda }: LearnedPolicy, batch: number): Values {
  const random = seededRandom(1);
  const shape: Shape = [batch, ...blueprint.input];
  return {
    x: Float32Array.from({ length: sizeOf(shape) }, () => normal(random)),
    lambda: new Float32Array(batch).fill(lambda),
  };
}

function nextFeeds(results: Values, { lambda }: Values): Values {
  const next = { x: results["next:x"]!, topClass: results["next:topClass"]!, lambda: lambda! };
  return results["next:history"] ? { ...next, history: results["next:history"]! } : next;
}
