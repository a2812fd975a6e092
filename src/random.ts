import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";

export type Random = RandomGenerator;

/**
 * A generator that depends on the whole key and on nothing else, so that the numbers of step 1000 are known
 * without drawing those of steps 0 to 999: an interrupted training continues as if it had never stopped.
 *
 * @param key integers, for example (seed, purpose, epoch); order matters
 * @see Steele et al., "Fast splittable pseudorandom number generators" (OOPSLA 2014), for the mixing function (32-bit variant)
 */
export function seededRandom(...key: readonly number[]): Random {
  let hash = 0x9e3779b9;
  for (const part of key) hash = mix32((hash ^ part) + 0x9e3779b9);
  return xoroshiro128plus(hash);
}

function mix32(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}

/** A number in [0, 1). */
export function uniform(random: Random): number {
  return uniformFloat64(random);
}

/** Fills `out` with numbers in [0, 1) of 24 random bits each. */
export function fillUniform(random: Random, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = uniformFloat32(random);
}

/** An integer in from..to, both included. */
export function integer(random: Random, from: number, to: number): number {
  return uniformInt(random, from, to);
}

/** A standard normal number: sqrt(-2 ln u) cos(2 pi v), Box and Muller (1958). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - uniform(random))) * Math.cos(2 * Math.PI * uniform(random));
}

/** The integers 0..count-1 in random order (Fisher and Yates). */
export function permutation(random: Random, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}
