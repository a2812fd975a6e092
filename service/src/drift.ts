/**
 * How far the answers of late are from those to validation images, at the base price alone (a higher one moves exits by itself):
 * the population stability index of exits, classes and tenths of the confidence,
 *
 *     PSI = sum over bins of (a - e) ln(a / e),  a: share of the last 1,000 answers, e: share on validation, each at least 0.001
 *
 * Below 0.1 nothing has changed that matters, above 0.25 something has: the usual reading. With few answers, or few validation
 * images, chance alone gives about (bins - 1) (1 / answers + 1 / images).
 */
import type { ExpectedAnswers } from "earlyexit";

export interface Drift {
  readonly answers: number;
  readonly exits: number;
  readonly classes: number;
  readonly confidence: number;
}

export interface DriftMeter {
  /** @param exit 1..E */
  add(exit: number, classIndex: number, confidence: number): void;
  /** null until there are 100 answers. */
  read(): Drift | null;
}

const WINDOW = 1000;
const LEAST = 100;
const LEAST_SHARE = 0.001;
const TENTHS = 10;

export function createDriftMeter({ exits, classes, confidences }: ExpectedAnswers): DriftMeter {
  const borders = Array.from(
    { length: TENTHS - 1 },
    (_, i) => confidences[Math.floor(((i + 1) * confidences.length) / TENTHS)] ?? 1,
  );
  const tenthOf = (confidence: number): number => borders.filter((border) => confidence >= border).length;
  const tenths = shares(Array.from(confidences, tenthOf), TENTHS);
  const seen: { exit: number; classIndex: number; tenth: number }[] = [];
  let next = 0;
  return {
    add(exit, classIndex, confidence) {
      seen[next] = { exit: exit - 1, classIndex, tenth: tenthOf(confidence) };
      next = (next + 1) % WINDOW;
    },
    read() {
      if (seen.length < LEAST) return null;
      return {
        answers: seen.length,
        exits: stabilityIndex(
          shares(
            seen.map(({ exit }) => exit),
            exits.length,
          ),
          exits,
        ),
        classes: stabilityIndex(
          shares(
            seen.map(({ classIndex }) => classIndex),
            classes.length,
          ),
          classes,
        ),
        confidence: stabilityIndex(
          shares(
            seen.map(({ tenth }) => tenth),
            TENTHS,
          ),
          tenths,
        ),
      };
    },
  };
}

/** @param actual, expected shares of the same bins */
export function stabilityIndex(actual: readonly number[], expected: readonly number[]): number {
  return actual.reduce((sum, share, bin) => {
    const [a, e] = [Math.max(share, LEAST_SHARE), Math.max(expected[bin]!, LEAST_SHARE)];
    return sum + (a - e) * Math.log(a / e);
  }, 0);
}

function shares(bins: readonly number[], count: number): number[] {
  const counts = new Array<number>(count).fill(0);
  for (const bin of bins) counts[bin]! += 1;
  return counts.map((one) => one / bins.length);
}
