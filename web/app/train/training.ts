/** Training in the page, in its worker: the same compiled step as in Node, the same agent. */
import {
  builtInRecipe,
  createWebRuntime,
  type Dataset,
  type ExitTable,
  evaluateInDetail,
  type ImageShape,
  learnPolicy,
  modelFiles,
  shapesDataset,
  trainNetwork,
} from "earlyexit/web";
import type { Evaluation, RunLine } from "../../panels/index.ts";
import { THREADS } from "../threads.ts";

export interface TrainingChoice {
  /** Images that are drawn to learn from; others are drawn to validate and to test. */
  readonly images: number;
  readonly epochs: number;
  readonly device: "wasm" | "webgpu";
}

export type TrainingNews =
  | { readonly kind: "phase"; readonly text: string }
  | { readonly kind: "line"; readonly line: RunLine }
  | { readonly kind: "drawings"; readonly drawings: Drawings }
  /** [N] the classes that the last exit gives the drawings now */
  | { readonly kind: "answers"; readonly answers: readonly number[] };

/** Some of the pictures that the network is not trained on, to look at while it learns. */
export interface Drawings {
  readonly imageShape: ImageShape;
  readonly classes: readonly string[];
  /** [N] of [C, H, W] bytes */
  readonly pixels: readonly Uint8Array[];
  /** [N] */
  readonly labels: readonly number[];
}

export interface TrainingResult {
  /** What a model folder would hold, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly evaluation: Evaluation;
}

const SEED = 1;
/** The panels do not need every step. */
const STEPS_PER_LINE = 5;
const BLUEPRINT = "tiny";
/** More and smaller steps than in Node, where there are more images and epochs. */
const FEW_IMAGES = { batchSize: 32, averageDecay: 0.98 };
/** At the validation pictures, while the network learns. */
const LOOKS = 5;
/** Drawn beside those to learn from: they cost nothing, and an agent needs some hundreds. */
const VALIDATION = 500;
const TEST = 1000;
/** Drawings that are shown meanwhile. */
const SHOWN = 20;

/** Data, network, policy and figures, in a minute or a few. */
export async function trainHere(choice: TrainingChoice, tell: (news: TrainingNews) => void): Promise<TrainingResult> {
  const phase = (text: string): void => tell({ kind: "phase", text });
  const { images, epochs, device } = choice;
  const runtime = await createWebRuntime({ device, threads: THREADS });
  phase(`drawing ${images} pictures`);
  const data = drawnData(images);
  tell({ kind: "drawings", drawings: someOf(data) });
  phase(
    `training the network on ${runtime.device}, ${runtime.threads} ${runtime.threads === 1 ? "thread" : "threads"}`,
  );
  const network = await trainNetwork({
    data,
    runtime,
    blueprint: BLUEPRINT,
    recipe: builtInRecipe("quick", { ...FEW_IMAGES, epochs, validateEvery: epochs / LOOKS }),
    seed: SEED,
    onLook: (table) => tell({ kind: "answers", answers: lastAnswers(table, SHOWN) }),
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
    options: { seed: SEED },
    onProgress: (one) => tell({ kind: "line", line: { kind: "learn", ...one } }),
  });
  phase("evaluating on pictures that it has never seen");
  const { figures, details } = await evaluateInDetail({ network, policy, data, runtime: nearby, seed: SEED });
  return { files: modelFiles({ network, policy, figures }), evaluation: { ...figures, ...details } };
}

function drawnData(images: number): Dataset {
  const trainCount = images + VALIDATION;
  return shapesDataset({ seed: SEED, trainCount, testCount: TEST, validationFraction: VALIDATION / trainCount });
}

function someOf({ imageShape, classes, validation }: Dataset): Drawings {
  const some = Array.from({ length: SHOWN }, (_, i) => i);
  const { pixels, labels } = validation!;
  return {
    imageShape,
    classes,
    pixels: some.map((i) => pixels.read(i, i + 1).slice()),
    labels: some.map((i) => labels[i]!),
  };
}

function lastAnswers({ logits, exits, classes }: ExitTable, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const from = (i * exits + exits - 1) * classes;
    const row = logits.subarray(from, from + classes);
    return row.indexOf(Math.max(...row));
  });
}
