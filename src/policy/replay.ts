import type { Action, Outcome } from "../exits/environment.ts";
import { integer, type Random } from "../random.ts";

/**
 * The last `capacity` transitions (Lin, 1992; Mnih et al., 2015, "experience replay"), in typed arrays.
 *
 * Our difference: a state is named by (image, exit) instead of being copied, and the reward is kept in its two parts,
 * so that a replayed transition can be given any lambda.
 */
export interface Replay {
  readonly capacity: number;
  /** how many are held, at most `capacity` */
  size: number;
  /** where the next one is written */
  next: number;
  readonly image: Uint32Array;
  readonly exit: Uint8Array;
  readonly action: Uint8Array;
  readonly correctness: Float32Array;
  readonly costShare: Float32Array;
  readonly terminal: Uint8Array;
}

/** @throws {RangeError} unless capacity is a whole number of at least 1 */
export function createReplay(capacity: number): Replay {
  if (!Number.isInteger(capacity) || capacity < 1)
    throw new RangeError(`replay: a capacity of at least 1 expected, found ${capacity}`);
  return {
    capacity,
    size: 0,
    next: 0,
    image: new Uint32Array(capacity),
    exit: new Uint8Array(capacity),
    action: new Uint8Array(capacity),
    correctness: new Float32Array(capacity),
    costShare: new Float32Array(capacity),
    terminal: new Uint8Array(capacity),
  };
}

/** Adds one transition; the oldest leaves when the buffer is full. Terminal ones are stored like any other. */
export function remember(replay: Replay, image: number, exit: number, action: Action, outcome: Outcome): void {
  const at = replay.next;
  replay.image[at] = image;
  replay.exit[at] = exit;
  replay.action[at] = action;
  replay.correctness[at] = outcome.correctness;
  replay.costShare[at] = outcome.costShare;
  replay.terminal[at] = outcome.terminal ? 1 : 0;
  replay.next = (at + 1) % replay.capacity;
  replay.size = Math.min(replay.capacity, replay.size + 1);
}

/**
 * Fills `slots` with places in the buffer, uniformly and with repetition.
 *
 * @throws {RangeError} if nothing is held yet
 */
export function sampleSlots(replay: Replay, random: Random, slots: Uint32Array): void {
  if (replay.size === 0) throw new RangeError("replay: at least 1 transition expected, found 0; act before learning");
  for (let i = 0; i < slots.length; i++) slots[i] = integer(random, 0, replay.size - 1);
}
