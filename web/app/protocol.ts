/** What the page and its worker say to each other: plain data. */
import type {
  Classification,
  ExitCosts,
  ExitTrace,
  ImageShape,
  LambdaPoint,
  Occlusion,
  SureAnswers,
} from "earlyexit/web";
import type { TeachingChoice, TeachingNews, TeachingResult } from "./teach/teaching.ts";
import type { TrainingChoice, TrainingNews, TrainingResult } from "./train/training.ts";

/** Where a model comes from: the address of its folder, or the page itself, which has just trained it. */
export type ModelSource = { readonly address: string } | { readonly files: ReadonlyMap<string, Uint8Array> };

/** What the page knows of a model. */
export interface ModelFacts {
  readonly name: string;
  readonly dataset: string;
  readonly classes: readonly string[];
  readonly imageShape: ImageShape;
  readonly costs: ExitCosts;
  /** Who decides: "dqn", the agent, or "threshold:" and the score. */
  readonly decider: string;
  /** The recommended one. */
  readonly lambda: number;
  /** What each lambda reaches on validation, lambdas rising. */
  readonly calibration: readonly LambdaPoint[];
  /** Of the calibration and its full cost; "MACs" unless the policy was priced in something else. */
  readonly costUnit: string;
  readonly fullCost: number;
  /** From being asked for to being ready: fetched, compiled, warmed up. */
  readonly startMs: number;
}

/** What leaving early took, beside the full network (backbone and last head alone): the same pictures, one by one, in turns. */
export interface Times {
  readonly images: number;
  /** Per image: the median of seven runs of one, the mean of the fastest of three over many. */
  readonly adaptiveMs: number;
  readonly fullMs: number;
}

export type Request =
  | { readonly kind: "load"; readonly source: ModelSource }
  | { readonly kind: "read"; readonly image: Blob; readonly shape: ImageShape }
  | { readonly kind: "classify"; readonly images: readonly Uint8Array[]; readonly lambda: number }
  | { readonly kind: "sure"; readonly precise: number; readonly lambda: number }
  | { readonly kind: "explore"; readonly images: readonly Uint8Array[]; readonly lambda: number }
  | { readonly kind: "occlude"; readonly image: Uint8Array; readonly lambda: number }
  | { readonly kind: "time"; readonly images: readonly Uint8Array[]; readonly lambda: number }
  | { readonly kind: "feedback"; readonly images: readonly Uint8Array[]; readonly labels: readonly number[] }
  | { readonly kind: "teach"; readonly choice: TeachingChoice }
  | { readonly kind: "train"; readonly choice: TrainingChoice };

/** What comes back for each kind of request. */
export interface Replies {
  readonly load: ModelFacts;
  /** [C, H, W] bytes 0..255, as the network sees the picture */
  readonly read: Uint8Array;
  readonly classify: readonly Classification[];
  /** From which confidence on a class may be named, so that a share `precise` of them is right on validation. */
  readonly sure: SureAnswers;
  /** [N] of [E] what every exit says, those behind the exit taken too */
  readonly explore: readonly (readonly ExitTrace[])[];
  readonly occlude: Occlusion;
  readonly time: Times;
  /** A file for `learn --continue --feedback`: what the exits say of the images, and the labels. No picture is in it. */
  readonly feedback: Uint8Array;
  readonly teach: TeachingResult;
  readonly train: TrainingResult;
}

export type Numbered = Request & { readonly id: number };

/** Told while something long is under way. */
export type News = TrainingNews | TeachingNews;

export type Reply =
  | { readonly id: number; readonly result: Replies[keyof Replies] }
  | { readonly id: number; readonly news: News }
  /** `mistake`: the message is made for people; otherwise it is a defect. */
  | { readonly id: number; readonly error: string; readonly mistake: boolean };
