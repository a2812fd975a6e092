/**
 * The logits of every exit for every image of a split, computed once: learning and evaluating a policy needs no image.
 * Letters: N images, E exits, K classes.
 */
export interface ExitTable {
  /** [N, E, K] */
  readonly logits: Float32Array;
  /** [N] class indices */
  readonly labels: Uint16Array;
  readonly count: number;
  readonly exits: number;
  readonly classes: number;
  /** [N, K] what somebody else's network said by itself, before it got exits; absent where it tells other classes apart, or is ours */
  readonly original?: Float32Array;
}

/** What each exit costs, in multiply-accumulates per image (or any other unit, the same for all). */
export interface ExitCosts {
  /** [E] up to and including exit k: its stages, the heads and the policies passed on the way; increasing */
  readonly exitMacs: readonly number[];
  /** backbone and last head alone: what a network without exits costs */
  readonly fullMacs: number;
}

/** Some images of a table, in the given order. */
export function tableSubset(table: ExitTable, indices: Uint32Array): ExitTable {
  const row = table.exits * table.classes;
  const logits = new Float32Array(indices.length * row);
  indices.forEach((from, to) => {
    logits.set(table.logits.subarray(from * row, (from + 1) * row), to * row);
  });
  return { ...table, logits, labels: Uint16Array.from(indices, (i) => table.labels[i]!), count: indices.length };
}
