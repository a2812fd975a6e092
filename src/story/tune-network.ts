/** A network of others with its heads, trained further: all exits together, or its last part alone. */
import type { Samples } from "../dataset/dataset.ts";
import { answersOf, plainRule } from "../exits/answers.ts";
import { exitAccuracies } from "../exits/environment.ts";
import { computeExitTable } from "../exits/exit-logits.ts";
import type { ImportedNetwork } from "../network/imported-network.ts";
import { importedTrainable } from "../network/imported-trainable.ts";
import type { FrozenNode } from "../network/imported-training.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RecipeInput } from "../training/recipe.ts";
import { buildTrainingStep } from "../training/step.ts";
import { type TrainingHooks, trainStaged } from "../training/training-loop.ts";
import { tuningRecipe } from "../training/tuning.ts";
import { stagedTeacher } from "./teachers.ts";

/** How much of a network learns: its heads, its last stage with its head, or all of it. */
export const tunings = ["heads", "last", "all"] as const;
export type Tuning = (typeof tunings)[number];

export interface TuneOptions {
  /** With heads that have learned already: see `attachExits`. */
  readonly network: ImportedNetwork;
  readonly train: Samples;
  /** Pictures that nothing is learned from: they tell whether the network got better. */
  readonly judged: Samples;
  readonly depth: Exclude<Tuning, "heads">;
  /** Whether a mirrored picture is one of the same kind. */
  readonly mirrors: boolean;
  /** Changes to the recipe, see `tuningRecipe`; its `teacher` is the network before, its last exit. */
  readonly recipe?: RecipeInput | undefined;
  readonly runtime: Runtime;
  readonly seed: number;
  readonly hooks?: Pick<TrainingHooks, "batches" | "onProgress" | "saveCheckpoint" | "resumeFrom" | "signal">;
}

export interface TuneFindings {
  readonly depth: TuneOptions["depth"];
  readonly epochs: number;
  /** Nodes that stayed as they came for want of a gradient, with all before them. */
  readonly frozen: readonly FrozenNode[];
  /** [E] on the pictures that judge: of each exit before and after. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** "frozen": the last exit got worse, so that the network as it was is kept. */
  readonly kept: "tuned" | "frozen";
  readonly seconds: number;
}

/** @throws {UserError} if no gradient reaches anything of it, or the loss is no number */
export async function tuneNetwork(options: TuneOptions): Promise<{ network: ImportedNetwork; findings: TuneFindings }> {
  const { network, train, judged, depth, runtime, seed } = options;
  const started = performance.now();
  const trainable = importedTrainable(network, { depth, statistics: "kept", rateByDepth: 1 });
  const recipe = tuningRecipe(
    {
      count: train.count,
      shape: network.picture.shape,
      mirrors: options.mirrors,
      valuesPerPicture: valuesOf(network),
    },
    options.recipe,
  );
  const accuracies = async (one: StagedNetwork): Promise<number[]> => {
    const table = await computeExitTable(runtime, one, judged);
    return exitAccuracies(answersOf(table, plainRule(table.exits)));
  };
  const before = await accuracies(network);
  const { provenance } = network;
  const tuned = await trainStaged<ImportedNetwork>({
    runtime,
    trainable,
    definition: buildTrainingStep(trainable, recipe, { seed }),
    samples: train,
    normalisation: network.picture.normalisation,
    recipe,
    seed,
    provenance: { ...provenance, recipe: { ...provenance.recipe, tuned: { depth, ...recipe } } },
    validate: accuracies,
    ...(recipe.teacher ? { teacher: stagedTeacher(network) } : {}),
    ...options.hooks,
  });
  const after = await accuracies(tuned);
  const kept = after.at(-1)! >= before.at(-1)! ? "tuned" : "frozen";
  const seconds = (performance.now() - started) / 1000;
  const findings = { depth, epochs: recipe.epochs, frozen: trainable.frozen, before, after, kept, seconds } as const;
  return { network: kept === "tuned" ? tuned : network, findings };
}

/** Of all tensors that one picture passes through. */
function valuesOf({ prepared }: ImportedNetwork): number {
  let sum = 0;
  for (const { shape, batchAxis } of prepared.tensors.values())
    if (batchAxis !== null) sum += shape.reduce((product, size) => product * size, 1);
  return sum;
}
