/** The 8-bit network imitated in floats, with scales that are fed: one session tells what any choice of scales does to the logits. */
import { reshape } from "../graph/broadcast.ts";
import { concat, slice } from "../graph/layout.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { buildStages, inputShapes, type StagedNetwork } from "../network/staged-network.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StagePlan } from "./plan.ts";
import { rewriteStage } from "./rewrite.ts";
import type { Steps } from "./steps.ts";

export interface Imitation {
  /** [batches][B * E * K] logits. @param steps by stage and point */
  logits(steps: readonly (readonly Steps[])[], batches: readonly Float32Array[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** @param kept by stage: convolutions in float */
export async function imitate(
  runtime: Runtime,
  plans: readonly StagePlan[],
  kept: readonly (readonly number[])[],
  largestWeight: number,
): Promise<Imitation> {
  const total = plans.reduce((sum, { points }) => sum + points.length, 0);
  const [scales, zeros] = [input("scales", [total]), input("zeros", [total], "uint8")];
  const images = plans[0]!.from[0]!;
  const perStage: Tensor[] = [];
  let [from, first]: [readonly Tensor[], number] = [[images], 0];
  for (const [k, plan] of plans.entries()) {
    const offset = first;
    const one = (all: Tensor, point: number): Tensor => reshape(slice(all, 0, offset + point, offset + point + 1), []);
    const built = rewriteStage(plan, {
      from,
      kept: new Set(kept[k]),
      steps: (point) => ({ scale: one(scales, point), zero: one(zeros, point) }),
      largestWeight,
      weights: "rounded",
    });
    perStage.push(built.logits);
    [from, first] = [built.handsOn, first + plan.points.length];
  }
  const program = await Program.compile(runtime, { outputs: { logits: concat(perStage, 1) } });
  return {
    async logits(steps, batches) {
      const all = steps.flat();
      const fed = {
        scales: Float32Array.from(all, ({ scale }) => scale),
        zeros: Uint8Array.from(all, ({ zero }) => zero),
      };
      const found: Float32Array[] = [];
      for (const batch of batches) found.push((await program.run({ ...fed, from0: batch })).logits!);
      return found;
    },
    close: () => program.close(),
  };
}

/** The float logits of the same images, laid out as `Imitation.logits`. @param batch images in each of the batches */
export async function floatLogits(
  runtime: Runtime,
  network: StagedNetwork,
  batches: readonly Float32Array[],
  batch: number,
): Promise<Float32Array[]> {
  const images = input("images", inputShapes(network, batch)[0]!);
  const logits = concat(
    buildStages(network, [images], "batchFirst").map((stage) => stage.logits),
    1,
  );
  const program = await Program.compile(runtime, { outputs: { logits } });
  try {
    const found: Float32Array[] = [];
    for (const one of batches) found.push((await program.run({ images: one })).logits!);
    return found;
  } finally {
    await program.close();
  }
}

/**
 * How far logits are from those of the float network: the mean over exits of sum (found - expected)^2 / sum (expected - their mean)^2.
 *
 * @param found, expected [batches][B, E * K]
 */
export function logitError(
  found: readonly Float32Array[],
  expected: readonly Float32Array[],
  exits: number,
  classes: number,
): number {
  const [errors, spreads] = [new Float64Array(exits), new Float64Array(exits)];
  for (const [b, values] of expected.entries())
    for (let from = 0; from < values.length; from += classes) {
      const exit = (from / classes) % exits;
      let mean = 0;
      for (let c = 0; c < classes; c++) mean += values[from + c]! / classes;
      for (let c = 0; c < classes; c++) {
        errors[exit]! += (found[b]![from + c]! - values[from + c]!) ** 2;
        spreads[exit]! += (values[from + c]! - mean) ** 2;
      }
    }
  return errors.reduce((sum, error, exit) => sum + error / spreads[exit]!, 0) / exits;
}
