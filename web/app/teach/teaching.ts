/** Teaching in the page, in its worker: pictures in, a model out. Nothing is sent anywhere. */
import {
  AdaptiveClassifier,
  answersOf,
  buildExport,
  createWebRuntime,
  modelFiles,
  ownSamples,
  suspects,
  type TeachProgress,
  teach,
} from "earlyexit/web";
import { THREADS } from "../threads.ts";

export interface TeachingChoice {
  /** Address of the model to begin with. */
  readonly base: string;
  /** [K] */
  readonly classes: readonly string[];
  /** [K] of [C, H, W] bytes */
  readonly pictures: readonly (readonly Uint8Array[])[];
}

export interface TeachingNews {
  readonly kind: "teach";
  readonly progress: TeachProgress;
}

/** A picture that heads which have not seen it take for another class. */
export interface SuspectPicture {
  readonly class: number;
  /** Of the picture in its class. */
  readonly picture: number;
  readonly answer: number;
  readonly confidence: number;
}

export interface TeachingResult {
  /** What a model folder would hold, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** `model.onnx`: the whole of it as one graph. */
  readonly onnx: Uint8Array;
  /** [E] of each exit by itself, on pictures that its head has not seen */
  readonly accuracy: readonly number[];
  /** Of the policy at the recommended lambda, on pictures that nothing of it has seen. */
  readonly reached: { readonly accuracy: number; readonly savings: number; readonly exitShares: readonly number[] };
  /** Who decides, and why. */
  readonly decider: string;
  readonly reason: string;
  readonly suspects: readonly SuspectPicture[];
}

/** A head that is less sure of the other class says little about the label. */
const SURE = 0.7;
const MOST_SUSPECTS = 12;

/** @throws {UserError} if the model is none to begin with, or there are too few classes or pictures */
export async function teachHere(choice: TeachingChoice, tell: (news: TeachingNews) => void): Promise<TeachingResult> {
  const { base, classes, pictures } = choice;
  const runtime = await createWebRuntime({ threads: THREADS });
  const from = await AdaptiveClassifier.load(base, { threads: THREADS, lazy: true });
  const samples = ownSamples(pictures);
  const taught = await teach({
    runtime,
    from: from.network,
    classes,
    samples,
    onProgress: (progress) => tell({ kind: "teach", progress }),
  });
  await from.close();
  const { network, policy, accuracy } = taught;
  const { files } = await buildExport({ network, policy }, { to: "onnx" });
  const at = policy.calibration.find(({ lambda }) => lambda === policy.lambda)!;
  const places = pictures.flatMap((some, k) => some.map((_, i) => ({ class: k, picture: i })));
  const found = suspects(answersOf(policy.validation!, policy.agent), MOST_SUSPECTS);
  return {
    files: modelFiles({ network, policy }),
    onnx: files.get("model.onnx")!,
    accuracy,
    reached: { accuracy: at.accuracy, savings: at.savings, exitShares: at.exitShares },
    decider: policy.decider ?? "dqn",
    reason: policy.choice?.reason ?? "",
    suspects: found
      .filter(({ confidence }) => confidence >= SURE)
      .map(({ image, answer, confidence }) => ({ ...places[image]!, answer, confidence })),
  };
}
