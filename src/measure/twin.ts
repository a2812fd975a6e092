/** A model's twin in 8 bits: timed in the same turns as the float model, and judged beside it on the same images. */
import { subset } from "../dataset/dataset.ts";
import { computeExitTable } from "../exits/exit-logits.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import { lambdaGrid, lambdaGridWith } from "../exits/lambda-grid.ts";
import { AdaptiveClassifier } from "../inference/adaptive-classifier.ts";
import { type Classification, firstFeeds } from "../inference/classification.ts";
import { nestedGraph } from "../inference/nested-exits.ts";
import { fullNetworkGraph } from "../inference/stage-programs.ts";
import type { Model } from "../model/model.ts";
import { decidingAgent } from "../policy/decider.ts";
import { exitCosts } from "../policy/exit-costs.ts";
import { fixedExitAgent } from "../policy/fixed-exit-agent.ts";
import { SWEEP_POINTS } from "../policy/lambda-calibration.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TwinFigures } from "./benchmark-figures.ts";
import { type ChosenImages, tally } from "./chosen-images.ts";
import { compareAtCost, judge } from "./same-cost.ts";
import type { Contestant, Measured } from "./stopwatch.ts";

type Adaptive = Omit<TwinFigures["adaptive"][number], "floatAccuracy" | "difference">;

/** At one batch size. */
export interface TwinTimes {
  readonly full: TwinFigures["full"][number];
  readonly adaptive: readonly Adaptive[];
  /** null but at batch 1 */
  readonly pathOverhead: number | null;
}

export interface Twin {
  /** @returns the contestants, and what makes figures of their times, in the same order, beside that of the float full network */
  contestants(
    batch: number,
    images: ChosenImages,
    toInput: (pixels: Uint8Array) => Float32Array,
  ): {
    readonly contestants: readonly Contestant[];
    times(measured: readonly Measured[], floatFull: Measured): TwinTimes;
  };
  /** @param float the model whose twin it is @param times at every batch size */
  figures(runtime: Runtime, float: Model, images: ChosenImages, times: readonly TwinTimes[]): Promise<TwinFigures>;
  close(): Promise<void>;
}

/** @param lambdas default: the recommended one and four over the agent's range. @throws {UserError} if the model has no policy */
export async function openTwin(runtime: Runtime, model: Model, lambdas?: readonly number[]): Promise<Twin> {
  const { network } = model;
  const classifier = await AdaptiveClassifier.create(runtime, model, async (pixels: Uint8Array) => pixels);
  await classifier.prepareStages();
  const { policy, costs } = classifier;
  const full = await Program.compile(runtime, fullNetworkGraph(network));
  const onward = fixedExitAgent(decidingAgent(policy), network.stages.length - 1);
  const path = await Program.compile(runtime, nestedGraph(network, { ...policy, decider: "dqn", agent: onward }));
  const all = lambdas ?? lambdaGridWith(policy.lambda, policy.agent.lambdaRange, 4);
  return {
    contestants(batch, images, toInput) {
      const tallies = all.map(() => tally(images, batch, network.stages.length));
      const adaptive = all.map(
        (lambda, i): Contestant<Classification[]> => ({
          run: (pixels) => {
            classifier.lambda = lambda;
            return classifier.classifyPixels(pixels);
          },
          onResult: tallies[i]!.add,
        }),
      );
      const whole: Contestant = { run: (pixels) => full.run({ x: toInput(pixels) }) };
      const onwards: Contestant = { run: (pixels) => path.run(firstFeeds(toInput(pixels), 1, policy.lambda)) };
      const contestants = [whole, ...(batch === 1 ? [onwards] : []), ...adaptive] as Contestant[];
      return {
        contestants,
        times(measured, floatFull) {
          const [own, ...others] = measured as [Measured, ...Measured[]];
          const onwardTime = batch === 1 ? others.shift()! : null;
          return {
            full: { batch, speedup: floatFull.meanMs / own.meanMs },
            pathOverhead: onwardTime && onwardTime.meanMs / own.meanMs - 1,
            adaptive: others.map(({ meanMs, cpuMsPerImage, joulesPerImage }, i) => {
              const { accuracy, exitShares } = tallies[i]!.result();
              return {
                batch,
                lambda: all[i]!,
                recommended: all[i] === policy.lambda,
                overFloatFull: floatFull.meanMs / meanMs,
                accuracy,
                meanMacs: exitShares.reduce((sum, share, k) => sum + share * costs.exitMacs[k]!, 0),
                cpuMsPerImage,
                joulesPerImage,
              };
            }),
          };
        },
      };
    },
    async figures(runtime, float, images, times) {
      const chosen = subset(images.samples, images.order);
      const [ofFloat, own] = [
        await computeExitTable(runtime, float.network, chosen),
        await computeExitTable(runtime, network, chosen),
      ];
      const agents = [decidingAgent(float.policy!), decidingAgent(policy)] as const;
      const grid = lambdaGrid(agents[0].lambdaRange, SWEEP_POINTS);
      const points = await judge(runtime, agents[0], ofFloat, exitCosts(float.network, float.policy!.agent), grid);
      const twins = await judge(runtime, agents[1], own, costs, all);
      const beside = twins.map((one) => compareAtCost(one, points));
      return {
        full: times.map((one) => one.full),
        adaptive: times.flatMap(({ adaptive }) =>
          adaptive.map((one, l) => ({
            ...one,
            floatAccuracy: beside[l]?.accuracy ?? null,
            difference: beside[l]?.difference ?? null,
          })),
        ),
        agreement: leastAgreement(ofFloat, own),
        pathOverhead: times.find(({ pathOverhead }) => pathOverhead !== null)!.pathOverhead!,
      };
    },
    async close() {
      await Promise.all([classifier.close(), full.close(), path.close()]);
    },
  };
}

/** The least share, over exits, of images whose largest logit is the same class's in both tables. */
export function leastAgreement(a: ExitTable, b: ExitTable): number {
  const { count, exits, classes } = a;
  const same = new Array<number>(exits).fill(0);
  for (let row = 0; row < count * exits; row++) {
    const [from, to] = [row * classes, (row + 1) * classes];
    const top = ({ logits }: ExitTable): number => {
      const own = logits.subarray(from, to);
      return own.indexOf(Math.max(...own));
    };
    if (top(a) === top(b)) same[row % exits]! += 1;
  }
  return Math.min(...same) / count;
}
