/** What the page and its worker say to each other: plain data. */
import type { Classification, ExitCosts, ImageShape, LambdaPoint } from "earlyexit/web";
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
  /** The recommended one. */
  readonly lambda: number;
  /** What each lambda reaches on validation, lambdas rising. */
  readonly calibration: readonly LambdaPoint[];
  /** Of the calibration and its full cost; "MACs" unless the policy was priced in something else. */
  readonly costUnit: string;
  readonly fullCost: number;
}

export type Request =
  | { readonly kind: "load"; readonly source: ModelSource }
  | { readonly kind: "read"; readonly image: Blob }
  | { readonly kind: "classify"; readonly images: readonly Uint8Array[]; readonly lambda: number }
  | { readonly kind: "train"; readonly choice: TrainingChoice };

/** What comes back for each kind of request. */
export interface Replies {
  readonly load: ModelFacts;
  /** [C, H, W] bytes 0..255, as the network sees the picture */
  readonly read: Uint8Array;
  readonly classify: readonly Classification[];
  readonly train: TrainingResult;
}

export type Numbered = Request & { readonly id: number };

export type Reply =
  | { readonly id: number; readonly result: Replies[keyof Replies] }
  | { readonly id: number; readonly news: TrainingNews }
  /** `mistake`: the message is made for people; otherwise it is a defect. */
  | { readonly id: number; readonly error: string; readonly mistake: boolean };
