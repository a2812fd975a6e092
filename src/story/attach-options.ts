import type { Dataset, Samples } from "../dataset/dataset.ts";
import type { OpenedNetwork } from "../network/imported-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RecipeInput } from "../training/recipe.ts";
import type { TrainingHooks, TrainingProgress } from "../training/training-loop.ts";
import type { Tuning } from "./tune-network.ts";

export interface AttachOptions {
  readonly network: OpenedNetwork;
  /** Heads learn from its training part; its pictures have the size of the network's input. */
  readonly data: Dataset;
  /** Pictures that the network has never seen: the policy is learned from them. Default: the validation part of `data`. */
  readonly calibrate?: Samples;
  /** E, the last one included; default: as many as pay, at most 8. */
  readonly exits?: number;
  /** Names of the tensors to cut at, in place of the best ones. */
  readonly at?: readonly string[];
  /** How much of the network learns with the heads: nothing (default), its last stage, or all of it. */
  readonly tune?: Tuning;
  /** Of the tuning: changes to `tuningRecipe`. */
  readonly recipe?: RecipeInput;
  /** Of the tuning, as `trainNetwork` takes them. */
  readonly training?: Pick<TrainingHooks, "batches" | "saveCheckpoint" | "resumeFrom">;
  readonly onTraining?: (progress: TrainingProgress) => void;
  readonly runtime: Runtime;
  readonly seed?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}
