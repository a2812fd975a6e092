/**
 * Where to put exits: the set with the best return over the range of lambda, by dynamic programming over a quick probe of every cut.
 *
 * What a set is worth is added up over neighbours, which is what makes it a shortest path. At each cut k and lambda, pictures are sorted
 * by how sure the probe is (the margin of its scores) into bins; a bin may leave at k where
 *
 *     accuracy of the probe in it >= accuracy of the end on the same pictures - lambda (1 - c_k / c_E)
 *
 * s_k is the share that may leave, l_k what accuracy these lose on average. Those that may leave at a cut are taken to be among those
 * that may leave at a later one. So between neighbours i < j of a set, s_j - s_i leave at j; each gains lambda (1 - c_j / c_E), all
 * together lose l_j - l_i; and 1 - s_i pay for the head at j.
 *
 * Letters: N images, Q cuts, E exits, c MACs.
 */
import { type LambdaRange, lambdaGrid } from "./lambda-grid.ts";

/** What a probe of one cut says of pictures that it did not learn from. */
export interface ProbedCut {
  /** Of the network up to this cut. */
  readonly macs: number;
  /** Of a head there, and of deciding. */
  readonly headMacs: number;
  /** [N] 1 where it is right */
  readonly correct: Uint8Array;
  /** [N] how sure it is */
  readonly margin: Float32Array;
}

export interface PlacementOptions {
  /** Exits besides the last one, at most. */
  readonly most: number;
  /** Exactly so many; default: as many as pay, up to `most`. */
  readonly exactly?: number;
  readonly lambdaRange: LambdaRange;
}

export interface Placement {
  /** Indices of the cuts, rising. */
  readonly chosen: readonly number[];
  /** Expected return above that of the end alone, the mean over the lambdas. */
  readonly gain: number;
}

const BINS = 12;
const LAMBDAS = 9;

interface Leaving {
  readonly share: number;
  readonly loss: number;
}

/**
 * @param cuts [Q] in the order of the flow
 * @param end [N] 1 where the network's end is right, on the same pictures
 * @param fullMacs c_E
 */
export function placeExits(
  cuts: readonly ProbedCut[],
  end: Uint8Array,
  fullMacs: number,
  { most, exactly, lambdaRange }: PlacementOptions,
): Placement {
  const lambdas = lambdaGrid(lambdaRange, LAMBDAS);
  const leaving = cuts.map((cut) => lambdas.map((lambda) => mayLeave(cut, end, lambda * (1 - cut.macs / fullMacs))));
  const step = (i: number, j: number): number => {
    const [from, to] = [leaving[i], leaving[j]!];
    const cut = cuts[j]!;
    const gains = lambdas.map((lambda, l) => {
      const before = from?.[l] ?? { share: 0, loss: 0 };
      const more = Math.max(0, to[l]!.share - before.share);
      const lost = Math.max(0, to[l]!.loss - before.loss);
      const head = lambda * (cut.headMacs / fullMacs) * (1 - before.share);
      return more * lambda * (1 - cut.macs / fullMacs) - lost - head;
    });
    return gains.reduce((sum, gain) => sum + gain, 0) / lambdas.length;
  };
  const paths = bestPaths(cuts.length, Math.min(exactly ?? most, cuts.length), step);
  if (exactly !== undefined) return paths[Math.min(exactly, cuts.length)]!;
  return paths.reduce((best, path) => (path.gain > best.gain + LEAST_GAIN ? path : best));
}

/** In units of one correct answer: an exit that brings less is not worth its place. */
const LEAST_GAIN = 0.0005;

/** The best set of each size, 0..most. */
function bestPaths(cuts: number, most: number, step: (i: number, j: number) => number): Placement[] {
  let ends: Placement[] = [];
  const paths: Placement[] = [{ chosen: [], gain: 0 }];
  for (let size = 1; size <= most; size++) {
    const before = ends;
    ends = Array.from({ length: cuts }, (_, j): Placement => {
      if (size === 1) return { chosen: [j], gain: step(-1, j) };
      const extended = before
        .slice(0, j)
        .flatMap((path, i) =>
          path.chosen.length === size - 1 ? [{ chosen: [...path.chosen, j], gain: path.gain + step(i, j) }] : [],
        );
      return extended.reduce((best, one) => (one.gain > best.gain ? one : best), {
        chosen: [],
        gain: Number.NEGATIVE_INFINITY,
      });
    });
    paths.push(ends.reduce((best, one) => (one.gain > best.gain ? one : best)));
  }
  return paths;
}

/** The share of pictures that may leave if they may cost so much accuracy, and what they lose, both over all pictures. */
function mayLeave({ correct, margin }: ProbedCut, end: Uint8Array, mayCost: number): Leaving {
  const count = end.length;
  const order = Uint32Array.from(margin, (_, i) => i).sort((a, b) => margin[b]! - margin[a]!);
  let [share, loss] = [0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    const images = order.subarray(Math.floor((bin * count) / BINS), Math.floor(((bin + 1) * count) / BINS));
    const lost = images.reduce((sum, i) => sum + end[i]! - correct[i]!, 0);
    if (images.length === 0 || lost / images.length > mayCost) break; // the less sure, the less right
    share += images.length / count;
    loss += lost / count;
  }
  return { share, loss };
}
