/** The way not taken: what every exit says of an image, and the full network beside, to compare with. */
import { normalisationTable } from "../dataset/augmentation.ts";
import type { ImageShape } from "../dataset/dataset.ts";
import { concat } from "../graph/layout.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { input, sizeOf } from "../graph/tensor.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { answerWidth, type ExitTrace, firstFeeds, readTrace } from "./classification.ts";
import { writeImages } from "./images.ts";
import { type BuiltStage, exitRow, fullNetworkGraph, looksBack, stageBuilder, stageInputs } from "./stage-programs.ts";

/** Both are made when first needed, and stay until closed. One call at a time. */
export interface WholeWay {
  /**
   * [E] what every exit says, computed to the end whatever the policy wants. `exited` holds at the first exit where it would leave.
   *
   * @param pixels [C, H, W] bytes 0..255
   */
  traces(pixels: Uint8Array, lambda: number): Promise<ExitTrace[]>;
  /** Milliseconds that backbone and last head alone take, what a user without early exit would run. @param pixels [C, H, W] */
  timeFull(pixels: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

export function openWholeWay(runtime: Runtime, network: StagedNetwork, policy: LearnedPolicy): WholeWay {
  const { shape, normalisation } = pictureOf(network);
  const table = normalisationTable(normalisation);
  const exits = network.stages.length;
  const told = { classes: network.classes.length, looksBack: looksBack(policy) };
  let through: Promise<Program> | null = null;
  let full: Promise<Program> | null = null;
  const numbersOf = (pixels: Uint8Array): Float32Array => numbers(pixels, shape, table);
  return {
    async traces(pixels, lambda) {
      through ??= Program.compile(runtime, throughGraph(network, policy));
      const { answers } = await (await through).run(firstFeeds(numbersOf(pixels), 1, lambda));
      const traces: ExitTrace[] = [];
      let hasLeft = false;
      for (let exit = 0, from = 0; exit < exits; exit++) {
        const stage = { exit, isLast: exit === exits - 1, ...told };
        const trace = readTrace(answers!, from, stage, false);
        traces.push({ ...trace, exited: trace.exited && !hasLeft });
        hasLeft ||= trace.exited;
        from += answerWidth(stage);
      }
      return traces;
    },
    async timeFull(pixels) {
      full ??= Program.compile(runtime, fullNetworkGraph(network));
      const program = await full;
      const begun = performance.now();
      await program.run({ x: numbersOf(pixels) });
      return performance.now() - begun;
    },
    async close() {
      for (const program of [through, full]) await (await program)?.close();
    },
  };
}

/** All exits one after the other, nothing left out: x [1, C, H, W] normalised, seen [1, 1] the dial -> answers, see `exitRow`. */
function throughGraph(network: StagedNetwork, policy: LearnedPolicy): GraphDefinition {
  const build = stageBuilder(network, policy);
  const dial = input("seen", [1, 1]);
  const passed: BuiltStage[] = [];
  for (let exit = 0; exit < network.stages.length; exit++) {
    const before = passed.at(-1);
    passed.push(
      build(exit, {
        from: before?.handsOn ?? stageInputs(network, 0),
        seen: () => before?.decision?.seenByNow ?? dial,
        topClass: before?.decision?.topClass ?? null,
        before: before?.scores ?? null,
      }),
    );
  }
  return { outputs: { answers: concat(passed.flatMap(exitRow), 1) } };
}

function numbers(pixels: Uint8Array, shape: ImageShape, table: Float32Array): Float32Array {
  const x = new Float32Array(sizeOf(shape));
  writeImages(x, [pixels], table, shape[1] * shape[2]);
  return x;
}
