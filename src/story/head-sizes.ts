/** How large a head at a tensor of somebody else's network is, and how right what it says is. */
import { largest } from "../exits/answers.ts";
import { featureCount, gridFor } from "../network/head.ts";
import type { OpenedNetwork } from "../network/imported-network.ts";
import type { Wanted } from "../training/frozen-features.ts";

/** Width of a head's hidden layer. */
export const HIDDEN = 128;
/** Features of one head, at most: finer grids are taken where they fit. */
export const HEAD_FEATURES = 2048;
/** Of features in memory. */
export const MOST_BYTES = 2 ** 30;

export function gridOf({ prepared }: OpenedNetwork, name: string, most: number): number {
  return gridFor(prepared.tensors.get(name)!.shape, most);
}

export function widthOf({ prepared }: OpenedNetwork, { name, grid }: Wanted): number {
  return featureCount(prepared.tensors.get(name)!.shape, grid);
}

/** Of a head with a hidden layer. */
export function headMacs(network: OpenedNetwork, name: string, classes: number): number {
  return macsOfHead(widthOf(network, { name, grid: gridOf(network, name, HEAD_FEATURES) }), HIDDEN, classes);
}

/** @param hidden width of its hidden layer; 0: none */
export function macsOfHead(features: number, hidden: number, classes: number): number {
  return hidden > 0 ? features * hidden + hidden * classes : features * classes;
}

/** Which answers are right, and by how much the largest score leads. @param scores [N, K] */
export function judged(scores: Float32Array, labels: Uint16Array, classes: number) {
  const correct = new Uint8Array(labels.length);
  const margin = new Float32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const top = largest(scores, i * classes, classes);
    correct[i] = top === labels[i] ? 1 : 0;
    let second = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) if (k !== top) second = Math.max(second, scores[i * classes + k]!);
    margin[i] = scores[i * classes + top]! - second;
  }
  return { correct, margin };
}

/** No more than a tenth of the way from the commonest class's share to always right. */
export function isNearChance(accuracy: number, labels: Uint16Array, classes: number): boolean {
  const counts = new Uint32Array(classes);
  for (const label of labels) counts[label]!++;
  const chance = Math.max(...counts) / labels.length;
  return accuracy <= chance + 0.1 * (1 - chance);
}

export function accuracyOf(correct: Uint8Array): number {
  return correct.reduce((sum, one) => sum + one, 0) / Math.max(1, correct.length);
}
