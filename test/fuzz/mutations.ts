/** Ways in which a file goes wrong on disk or on its way, seeded. */
import { integer, type Random } from "../../src/random.ts";

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const anyByte = (random: Random): number => integer(random, 0, 255);

function flipped(bytes: Uint8Array, random: Random, count: number): Uint8Array {
  const changed = bytes.slice();
  for (let i = 0; i < count; i++) changed[integer(random, 0, bytes.length - 1)]! ^= 1 << integer(random, 0, 7);
  return changed;
}

function spliced(bytes: Uint8Array, at: number, remove: number, add: Uint8Array): Uint8Array {
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at + remove)];
  return Uint8Array.from([...head, ...add, ...tail]);
}

const noise = (random: Random, length: number): Uint8Array => Uint8Array.from({ length }, () => anyByte(random));

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "one bit": (bytes, random) => flipped(bytes, random, 1),
  "eight bits": (bytes, random) => flipped(bytes, random, 8),
  "cut anywhere": (bytes, random) => bytes.slice(0, integer(random, 0, bytes.length - 1)),
  "cut near the end": (bytes, random) => bytes.slice(0, bytes.length - integer(random, 1, Math.min(64, bytes.length))),
  grown: (bytes, random) => spliced(bytes, bytes.length, 0, noise(random, integer(random, 1, 2000))),
  "bytes put in": (bytes, random) =>
    spliced(bytes, integer(random, 0, bytes.length - 1), 0, noise(random, integer(random, 1, 16))),
  "bytes left out": (bytes, random) =>
    spliced(bytes, integer(random, 0, bytes.length - 1), integer(random, 1, 16), new Uint8Array()),
  zeros: (bytes, random) => {
    const at = integer(random, 0, bytes.length - 1);
    return bytes.slice().fill(0, at, at + integer(random, 1, 4096));
  },
  "a number in the text": (bytes, random) => replacedDigit(bytes, random),
  "two parts swapped": (bytes, random) => {
    const length = integer(random, 1, Math.max(1, Math.min(256, bytes.length >> 2)));
    const [a, b] = [integer(random, 0, bytes.length - length), integer(random, 0, bytes.length - length)];
    const changed = bytes.slice();
    changed.set(bytes.subarray(a, a + length), b);
    changed.set(bytes.subarray(b, b + length), a);
    return changed;
  },
};

/** The first digit from some place on becomes another one: what JSON parsers never notice. */
function replacedDigit(bytes: Uint8Array, random: Random): Uint8Array {
  const from = integer(random, 0, bytes.length - 1);
  const at = bytes.findIndex((byte, i) => i >= from && byte >= 0x30 && byte <= 0x39);
  const changed = bytes.slice();
  if (at >= 0) changed[at] = 0x30 + ((bytes[at]! - 0x30 + integer(random, 1, 9)) % 10);
  return changed;
}
