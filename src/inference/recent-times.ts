/** How long something took the last few times. */
export interface RecentTimes {
  add(ms: number): void;
  /**
   * How long it will probably take at most: what 95% of the remembered times kept within (nearest rank: of 8 times the longest). Where
   * the last one is older than `staleMs`, their median: what was slow then may not be slow now, and who never tries never learns.
   * 0 before the first.
   */
  estimate(): number;
}

/**
 * @param capacity how many times are remembered; the oldest is forgotten first
 * @param staleMs how old the last one may be
 */
export function recentTimes(capacity = 64, staleMs = 10_000): RecentTimes {
  const times = new Float64Array(capacity);
  let added = 0;
  let last = Number.NEGATIVE_INFINITY;
  return {
    add(ms) {
      times[added++ % capacity] = ms;
      last = performance.now();
    },
    estimate() {
      const isStale = performance.now() - last > staleMs;
      return percentile(times.subarray(0, Math.min(added, capacity)), isStale ? 0.5 : 0.95);
    },
  };
}

/** The smallest of the values that at least a share `q` of them do not exceed (nearest rank); 0 where there are none. */
export function percentile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
