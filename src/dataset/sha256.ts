/** The part of Node that is looked at; absent in a browser. */
interface Host {
  readonly process?: { getBuiltinModule?(name: "node:crypto"): { createHash(algorithm: "sha256"): Hash } };
}
interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

/**
 * SHA-256 over the parts, one after the other, in hex. Node computes it itself; a browser's own one is asynchronous, so there
 * it is computed here (FIPS 180-4, section 6.2). Both give the same.
 */
export function sha256(...parts: readonly Uint8Array[]): string {
  const node = (globalThis as Host).process?.getBuiltinModule?.("node:crypto");
  if (!node) return sha256Portable(...parts);
  const hash = node.createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** The first 32 bits of the fractions of the cube roots of the first 64 primes, and of the square roots of the first 8. */
const { roundConstants, start } = fractions();

/** What `sha256` does where there is no Node. */
export function sha256Portable(...parts: readonly Uint8Array[]): string {
  const state = start.slice();
  const words = new Uint32Array(64);
  const block = new Uint8Array(64);
  const view = new DataView(block.buffer);
  let [filled, length] = [0, 0];
  const digest = (): void => {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(4 * i);
    compress(state, words);
    filled = 0;
  };
  for (const part of parts) {
    length += part.length;
    for (let from = 0; from < part.length; ) {
      const taken = part.subarray(from, from + 64 - filled);
      block.set(taken, filled);
      filled += taken.length;
      from += taken.length;
      if (filled === 64) digest();
    }
  }
  block[filled] = 0x80;
  block.fill(0, filled + 1);
  if (filled >= 56) {
    digest();
    block.fill(0);
  }
  view.setBigUint64(56, 8n * BigInt(length));
  digest();
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** One block of 64 bytes: `words[0..15]` is the block, the others are derived. */
function compress(state: Uint32Array, words: Uint32Array): void {
  for (let i = 16; i < 64; i++) {
    const [w15, w2] = [words[i - 15]!, words[i - 2]!];
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    words[i] = words[i - 16]! + s0 + words[i - 7]! + s1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const chosen = (e & f) ^ (~e & g);
    const first = (h + s1 + chosen + roundConstants[i]! + words[i]!) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + s0 + majority) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => {
    state[i]! += value;
  });
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function fractions(): { roundConstants: Uint32Array; start: Uint32Array } {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  const bits = (root: number): number => Math.floor((root - Math.floor(root)) * 2 ** 32);
  return {
    roundConstants: Uint32Array.from(primes, (prime) => bits(Math.cbrt(prime))),
    start: Uint32Array.from(primes.slice(0, 8), (prime) => bits(Math.sqrt(prime))),
  };
}
