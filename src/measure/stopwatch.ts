import { percentile } from "../inference/recent-times.ts";
import { permutation, seededRandom } from "../random.ts";

/** What only the host can read. */
export interface Meters {
  /** CPU time of this process so far: user and system, all threads. */
  cpuMs(): number;
  /** Energy of the processors so far, null where it cannot be read. What other processes use counts too. */
  joules(): number | null;
}

/** One of the things compared. */
export interface Contestant<Result = unknown> {
  /** The work that is timed. @param pixels [B, C, H, W] bytes @param round the one whose images they are, 0..rounds-1 */
  run(pixels: Uint8Array, round: number): Promise<Result>;
  /** Told what came out, outside the time measured. */
  onResult?(result: Result, round: number): void;
}

/** Every figure is per image: that of a batch divided by its size. */
export interface Measured {
  /** One for each batch. */
  readonly times: readonly number[];
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly cpuMsPerImage: number;
  readonly joulesPerImage: number | null;
}

export interface Race {
  readonly contestants: readonly Contestant[];
  /** Images per batch. */
  readonly batch: number;
  /** Batches for each contestant. */
  readonly rounds: number;
  /** [B, C, H, W] of one round; may be overwritten by the next call */
  readonly pixelsOf: (round: number) => Uint8Array;
  readonly meters: Meters;
  readonly onRound?: (rounds: number) => void;
}

/** Images that one contestant works on before the next one has its turn. */
const TURN_IMAGES = 32;

/**
 * Lets the contestants take turns on the same images, so that whatever slows the machine down slows them all. Their order
 * is drawn anew for each turn, so that what one leaves behind, in caches or for the garbage collector, falls on all alike. Small batches come several in a turn, after one that is not timed: each contestant has its own
 * weights, and in use they would be in the processor's cache.
 */
export async function takeTurns(race: Race): Promise<Measured[]> {
  const { contestants, batch, rounds, pixelsOf, meters, onRound } = race;
  const random = seededRandom(1);
  const perTurn = Math.max(1, Math.floor(TURN_IMAGES / batch));
  const sums = contestants.map(() => ({ times: [] as number[], cpuMs: 0, joules: 0 as number | null }));
  for (const one of contestants) await one.run(pixelsOf(0), 0);
  for (let first = 0; first < rounds; first += perTurn) {
    const until = Math.min(rounds, first + perTurn);
    const inputs = Array.from({ length: until - first }, (_, i) => pixelsOf(first + i).slice());
    for (const place of permutation(random, contestants.length)) {
      const [one, sum] = [contestants[place]!, sums[place]!];
      if (perTurn > 1) await one.run(inputs[0]!, first);
      const results: unknown[] = [];
      const [cpuMs, joules] = [meters.cpuMs(), meters.joules()];
      for (const [j, pixels] of inputs.entries()) {
        const begun = performance.now();
        results.push(await one.run(pixels, first + j));
        sum.times.push((performance.now() - begun) / batch);
      }
      sum.cpuMs += meters.cpuMs() - cpuMs;
      sum.joules = added(sum.joules, joules, meters.joules());
      for (const [j, result] of results.entries()) one.onResult?.(result, first + j);
    }
    onRound?.(until - first);
  }
  const images = rounds * batch;
  return sums.map(({ times, cpuMs, joules }) => ({
    times,
    meanMs: mean(times),
    p50Ms: percentile(times, 0.5),
    cpuMsPerImage: cpuMs / images,
    joulesPerImage: joules === null ? null : joules / images,
  }));
}

function added(sum: number | null, before: number | null, after: number | null): number | null {
  return sum === null || before === null || after === null ? null : sum + after - before;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
