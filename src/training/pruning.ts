/**
 * Dynamic pruning: images that the network already knows come half as often, and count double when they come, so that the
 * expected gradient is that of all images while the same number of steps gets around more often.
 *
 * A pass goes over the images once. The first one takes all of them; before each later one, an image whose last loss is below the
 * mean of all last losses is left out with probability `ratio`, or else weighs 1 / (1 - ratio) times as much as the others; the last
 * passes take all again. Weights have a mean of 1.
 *
 * @see Qin et al., "InfoBatch: Lossless Training Speed Up by Unbiased Dynamic Data Pruning" (ICLR 2024); theirs makes epochs
 *   shorter, so that a training ends sooner, and steps larger (their weights are 1 and more); here the number of steps stays, and
 *   with it schedule, size of the steps and duration
 */
import { epochOrder, type ImageOrder, type StepImages } from "../dataset/batches.ts";
import { UserError } from "../errors.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { seededRandom, uniform } from "../random.ts";

const PRUNING = 0x7072756e; // keeps these random numbers apart from those of other purposes with the same seed

/** How much is left out, and until when. */
export interface Pruning {
  /** Probability of an easy image to be left out of a pass, 0..1 without 1. */
  readonly ratio: number;
  /** Share of the steps after which no more pass leaves anything out. */
  readonly until: number;
}

export interface PruningOptions extends Pruning {
  /** N */
  readonly count: number;
  /** B */
  readonly batchSize: number;
  /** Of the whole training. */
  readonly steps: number;
  readonly seed: number;
  /** What `state` gave, to go on from there. */
  readonly resumeFrom?: { readonly step: number; readonly state: Weights } | null;
}

export interface PrunedOrder extends ImageOrder {
  /** Takes note of the losses [B] of one step's images; steps come in order. */
  tell(step: number, losses: Float32Array): void;
  /** All that continues it, by name. */
  state(): Map<string, NamedArray>;
}

interface Pass {
  readonly pass: number;
  readonly firstStep: number;
  /** Of the images that take part, in the order in which they come; at least a batch. */
  readonly images: Uint32Array;
  /** [N] */
  readonly weights: Float32Array;
  /** [N] by which it was made */
  readonly losses: Float32Array;
}

const STATE = { losses: "pruning.losses", madeBy: "pruning.madeBy", pass: "pruning.pass" } as const;

/** @throws {UserError} if the state is not that of a training on as many images */
export function prunedOrder(options: PruningOptions): PrunedOrder {
  const { count, batchSize, resumeFrom } = options;
  const restored = resumeFrom ? restore(resumeFrom.state, count) : null;
  const losses = restored?.losses ?? new Float32Array(count).fill(Number.NaN); // of the last time each was seen; NaN: never
  let current = restored?.current(options) ?? makePass(options, 0, 0, losses);
  let told = resumeFrom?.step ?? 0;

  const at = (step: number): StepImages | null => {
    const end = current.firstStep + Math.floor(current.images.length / batchSize);
    if (step >= end) {
      if (told < end) return null;
      current = makePass(options, current.pass + 1, end, losses);
    }
    const first = (step - current.firstStep) * batchSize;
    const indices = current.images.subarray(first, first + batchSize);
    return { indices, epoch: current.pass, weights: Float32Array.from(indices, (i) => current.weights[i]!) };
  };
  return {
    at,
    tell(step, batchLosses) {
      for (const [position, index] of at(step)!.indices.entries()) losses[index] = batchLosses[position]!;
      told = step + 1;
    },
    state() {
      const named = (data: Float32Array): NamedArray => ({ shape: [data.length], data: data.slice() });
      return new Map([
        [STATE.losses, named(losses)],
        [STATE.madeBy, named(current.losses)],
        [STATE.pass, named(Float32Array.of(current.pass, current.firstStep))],
      ]);
    },
  };
}

/** @param losses [N], NaN where an image was never seen: it takes part */
function makePass(options: PruningOptions, pass: number, firstStep: number, losses: Float32Array): Pass {
  const { count, batchSize, steps, seed, ratio, until } = options;
  const order = epochOrder(seed, pass, count);
  const made = { pass, firstStep, losses: losses.slice() };
  const everything = { ...made, images: order, weights: new Float32Array(count).fill(1) };
  if (pass === 0 || firstStep >= until * steps) return everything;
  const seen = losses.filter((loss) => !Number.isNaN(loss));
  const mean = seen.reduce((sum, loss) => sum + loss, 0) / seen.length;
  const random = seededRandom(seed, PRUNING, pass);
  const images = order.filter((index) => !(losses[index]! < mean) || uniform(random) >= ratio);
  const share = images.length / count; // so that the mean weight is 1, and steps are as large as without pruning
  const weights = losses.map((loss) => (loss < mean ? share / (1 - ratio) : share));
  return images.length < batchSize ? everything : { ...made, images, weights };
}

function restore(state: Weights, count: number) {
  const read = (name: string, length: number): Float32Array => {
    const found = state.get(name)?.data;
    if (found?.length !== length)
      throw new UserError(
        `checkpoint: ${name} of ${length} numbers expected, found ${found?.length ?? "none"}; start without --resume`,
      );
    return found.slice();
  };
  const losses = read(STATE.losses, count);
  const [pass, firstStep] = read(STATE.pass, 2) as unknown as [number, number];
  return {
    losses,
    current: (options: PruningOptions): Pass => makePass(options, pass, firstStep, read(STATE.madeBy, count)),
  };
}

/** What belongs to the order and not to the program. */
export function isPruningState(name: string): boolean {
  return (Object.values(STATE) as string[]).includes(name);
}
