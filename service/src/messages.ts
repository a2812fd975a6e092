/** What goes between the service and its workers, over `fork` with advanced serialisation: typed arrays stay what they are. */
import type { Classification } from "earlyexit";

/** A picture's file, its bytes [C, H, W], or the network's own input [C, H, W]. */
export type Picture =
  | { readonly file: Uint8Array }
  | { readonly pixels: Uint8Array }
  | { readonly tensor: Float32Array };

/** What a worker is started with. */
export interface WorkerOptions {
  /** The folder. */
  readonly model: string;
  /** "answer": leaves early; "logits": what every exit says, at a low priority. */
  readonly task: "answer" | "logits";
}

/** One batch. */
export interface Job {
  readonly id: number;
  readonly lambda: number;
  /** Milliseconds from now to the answer; then the batch is a single picture. */
  readonly deadlineMs?: number;
  /** Answers are to tell what every exit on the way said; that makes most of a message. Default: no, their traces are empty. */
  readonly explain?: boolean;
  readonly pictures: readonly Picture[];
}

/** Of one picture: an answer, or why there is none. */
export type Outcome =
  | { readonly answer: Classification }
  /** [E, K], from a worker for logits */
  | { readonly logits: Float32Array }
  | { readonly mistake: string };

export type WorkerMessage =
  /** The model is loaded. */
  | { readonly kind: "ready" }
  /** There is no model that can be loaded. */
  | { readonly kind: "mistake"; readonly message: string }
  | { readonly kind: "done"; readonly id: number; readonly outcomes: readonly Outcome[]; readonly computeMs: number };
