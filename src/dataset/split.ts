import { permutation, seededRandom } from "../random.ts";

const SPLIT = 0x73706c69; // keeps these random numbers apart from those of other purposes with the same seed

/**
 * Takes `round(fraction * N)` images out of N, from every class in proportion: class k gives `fraction * N_k` rounded
 * down, and the classes with the largest remainders one more (ties: the lower class first).
 * Depends on labels, fraction and seed only.
 *
 * @param labels [N]
 * @param fraction in 0..1
 * @returns increasing indices into `labels`; each is in exactly one of the two
 */
export function stratifiedSplit(
  labels: Uint16Array,
  fraction: number,
  seed: number,
): { kept: Uint32Array; taken: Uint32Array } {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new RangeError(`stratifiedSplit: expected a fraction in 0..1, found ${fraction}`);
  }
  const members = indicesByClass(labels);
  const quotas = proportionalQuotas(members, fraction, labels.length);
  const isTaken = new Uint8Array(labels.length);
  for (const [label, indices] of members.entries()) {
    const order = permutation(seededRandom(seed, SPLIT, label), indices.length);
    for (const position of order.subarray(0, quotas[label])) isTaken[indices[position]!] = 1;
  }
  const all = Uint32Array.from(labels.keys());
  return { kept: all.filter((i) => isTaken[i] === 0), taken: all.filter((i) => isTaken[i] === 1) };
}

/**
 * Two stratified halves of the validation split: `fit` for temperatures, policy and yardsticks, `selection` for
 * selecting and calibrating among what was fitted.
 *
 * @param labels [N] of the validation split
 * @returns increasing indices into `labels`
 */
export function halves(labels: Uint16Array, seed: number): { fit: Uint32Array; selection: Uint32Array } {
  const { kept, taken } = stratifiedSplit(labels, 0.5, seed);
  return { fit: taken, selection: kept };
}

function indicesByClass(labels: Uint16Array): number[][] {
  const members: number[][] = [];
  for (const [i, label] of labels.entries()) {
    while (members.length <= label) members.push([]);
    members[label]!.push(i);
  }
  return members;
}

function proportionalQuotas(members: readonly number[][], fraction: number, count: number): number[] {
  const exact = members.map((indices) => fraction * indices.length);
  const quotas = exact.map(Math.floor);
  const missing = Math.round(fraction * count) - quotas.reduce((sum, quota) => sum + quota, 0);
  const byRemainder = [...exact.keys()].sort((a, b) => exact[b]! - quotas[b]! - (exact[a]! - quotas[a]!) || a - b);
  for (const label of byRemainder.slice(0, missing)) quotas[label]! += 1;
  return quotas;
}
