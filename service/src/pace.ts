/**
 * How long a picture takes, all workers together, while every one of them has work: reading it, computing it, the way to the worker
 * and back. Computing alone would promise too much: for small networks reading takes longer.
 *
 *     ms = T / N,  after each batch  T <- T exp(-dt / 250 ms) + dt,  N <- N exp(-dt / 250 ms) + pictures
 *
 * dt is the time since the batch before was done; it counts only if the workers were full all that time.
 */
const MEMORY_MS = 250;
/** Pictures that the first estimate is worth. */
const PRIOR_PICTURES = 8;

export interface Pace {
  /** Milliseconds per picture. */
  readonly ms: number;
  add(elapsedMs: number, pictures: number): void;
}

/** @param startMs the first estimate */
export function createPace(startMs: number): Pace {
  let time = PRIOR_PICTURES * startMs;
  let pictures = PRIOR_PICTURES;
  return {
    get ms() {
      return time / pictures;
    },
    add(elapsedMs, more) {
      const kept = Math.exp(-elapsedMs / MEMORY_MS);
      time = kept * time + elapsedMs;
      pictures = kept * pictures + more;
    },
  };
}
