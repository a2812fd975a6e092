/** A head with a hidden layer or without one: whichever is worth more. Letters: N images, M judging images, F features, K classes. */
import type { Weights } from "../network/weights.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type HeadTask, headAnswers, trainHead } from "../training/heads.ts";
import { HIDDEN, judged, macsOfHead } from "./head-sizes.ts";

export interface LearnedHead {
  readonly weights: Weights;
  /** Width of its hidden layer; 0: none. */
  readonly hidden: number;
  /** [N, K] of the images that it learned from, [M, K] of those that judge */
  readonly answers: { readonly learning: Float32Array; readonly judging: Float32Array };
}

export interface ChoiceTask extends Omit<HeadTask, "hidden"> {
  /** Images that nothing of the head is learned from. */
  readonly judges: {
    /** [M, F] */
    readonly features: Float32Array;
    readonly labels: Uint16Array;
    /** [M] how likely each gets to this exit */
    readonly weights: Float32Array;
  };
  /** Of the whole network: a head's cost is a part of it. */
  readonly fullMacs: number;
}

/** The lambda in the middle of its range. */
const PRICE = 0.1;

/**
 * Both are trained. The hidden layer is kept if
 *
 *     share of right answers, weighted - PRICE * MACs of the head / fullMacs
 *
 * is larger with it.
 */
export async function betterHead(runtime: Runtime, { judges, fullMacs, ...task }: ChoiceTask): Promise<LearnedHead> {
  const { features, weights: reach, classes } = task;
  const count = reach.length;
  const { labels } = judges;
  const made: (LearnedHead & { readonly worth: number })[] = [];
  for (const hidden of [HIDDEN, 0]) {
    const weights = await trainHead(runtime, { ...task, hidden });
    const learning = headAnswers(features, count, weights, hidden);
    const judging = headAnswers(judges.features, labels.length, weights, hidden);
    const right = weightedShare(judged(judging, labels, classes).correct, judges.weights);
    const cost = macsOfHead(features.length / count, hidden, classes) / fullMacs;
    made.push({ weights, hidden, answers: { learning, judging }, worth: right - PRICE * cost });
  }
  const [layered, plain] = made as [(typeof made)[0], (typeof made)[0]];
  return layered.worth > plain.worth ? layered : plain;
}

function weightedShare(correct: Uint8Array, weights: Float32Array): number {
  const total = weights.reduce((sum, one) => sum + one, 0);
  return correct.reduce((sum, one, i) => sum + one * weights[i]!, 0) / total;
}
