/** How long something took the last few times. */
export interface RecentTimes {
  add(ms: number): void;
  /** The time that 95% of them kept within (nearest rank: of 8 times the longest); 0 before the first. */
  p95(): number;
}

/** @param capacity how many times are remembered; the oldest is forgotten first */
export function recentTimes(capacity = 64): RecentTimes {
  const times = new Float64Array(capacity);
  let added = 0;
  return {
    add(ms) {
      times[added++ % capacity] = ms;
    },
    p95() {
      return percentile(times.subarray(0, Math.min(added, capacity)), 0.95);
    },
  };
}

/** The smallest of the values that at least a share `q` of them do not exceed (nearest rank); 0 where there are none. */
export function percentile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
