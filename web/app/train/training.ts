/** Training in the page, in its worker: the same compiled step as in Node, the same agent. */
import {
  builtInRecipe,
  createWebRuntime,
  evaluateInDetail,
  learnPolicy,
  modelFiles,
  shapesDataset,
  trainNetwork,
} from "earlyexit/web";
import type { Evaluation, RunLine } from "../../panels/index.ts";
import { THREADS } from "../threads.ts";

export interface TrainingChoice {
  /** Images that are drawn to learn from; a tenth of them validates. */
  readonly images: number;
  readonly epochs: number;
  readonly device: "wasm" | "webgpu";
}

export type TrainingNews =
  | { readonly kind: "phase"; readonly text: string }
  | { readonly kind: "line"; readonly line: RunLine };

export interface TrainingResult {
  /** What a model folder would hold, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly evaluation: Evaluation;
}

const SEED = 1;
/** Half of what Node takes: with so few images to learn from, more gains nothing. */
const AGENT_STEPS = 3000;
/** The panels do not need every step. */
const STEPS_PER_LINE = 5;
const BLUEPRINT = "tiny";
/** More and smaller steps than in Node, where there are more images and epochs. */
const FEW_IMAGES = { batchSize: 32, averageDecay: 0.98, validateEvery: 1 };

/** Data, network, policy and figures, in a minute or a few. */
export async function trainHere(choice: TrainingChoice, tell: (news: TrainingNews) => void): Promise<TrainingResult> {
  const phase = (text: string): void => tell({ kind: "phase", text });
  const { images, epochs, device } = choice;
  const runtime = await createWebRuntime({ device, threads: THREADS });
  phase(`drawing ${images} pictures`);
  const data = shapesDataset({ seed: SEED, trainCount: images, testCount: 1000 });
  phase(
    `training the network on ${runtime.device}, ${runtime.threads} ${runtime.threads === 1 ? "thread" : "threads"}`,
  );
  const network = await trainNetwork({
    data,
    runtime,
    blueprint: BLUEPRINT,
    recipe: builtInRecipe("quick", { ...FEW_IMAGES, epochs }),
    seed: SEED,
    onProgress: (line) => {
      if (line.step % STEPS_PER_LINE === 0 || line.validationAccuracy || line.step === line.steps)
        tell({ kind: "line", line });
    },
  });
  // The agent and the yardsticks are small: what a call to the GPU costs would be most of it.
  const nearby = device === "wasm" ? runtime : await createWebRuntime({ device: "wasm", threads: THREADS });
  phase("learning where each picture may stop");
  const policy = await learnPolicy({
    network,
    data,
    runtime: nearby,
    options: { seed: SEED, steps: AGENT_STEPS },
    onProgress: (one) => tell({ kind: "line", line: { kind: "learn", ...one } }),
  });
  phase("evaluating on pictures that it has never seen");
  const { figures, details } = await evaluateInDetail({ network, policy, data, runtime: nearby, seed: SEED });
  return { files: modelFiles({ network, policy, figures }), evaluation: { ...figures, ...details } };
}
