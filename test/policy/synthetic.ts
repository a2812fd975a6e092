import type { ExitCosts, ExitTable } from "../../src/policy/exit-table.ts";
import { integer, normal, seededRandom } from "../../src/random.ts";

/** MACs of the published four-exit network. */
export const COSTS: ExitCosts = { exitMacs: [39.5e6, 96.1e6, 152.8e6, 209.4e6], fullMacs: 209.4e6 };

/**
 * An exit table as a trained network would give it: each image has a difficulty of its own and a class that it is easily
 * taken for; noise is partly shared by all exits; later exits see the signal better; logits are too confident.
 */
export function syntheticTable(count: number, seed: number, { exits = 4, classes = 10 } = {}): ExitTable {
  const random = seededRandom(seed, 0x7ab1e);
  const logits = new Float32Array(count * exits * classes);
  const labels = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const label = integer(random, 0, classes - 1);
    const confuser = (label + 1 + Math.floor(Math.abs(normal(random)) * 1.5)) % classes;
    labels[i] = label;
    const difficulty = Math.exp(0.9 * normal(random)); // median 1, long tail
    const shared = Array.from({ length: classes }, () => normal(random));
    for (let k = 0; k < exits; k++) {
      const quality = 2.3 + (4.2 * (k + 0.35 * k * (exits - 1 - k))) / exits;
      for (let c = 0; c < classes; c++) {
        const signal = c === label ? quality : c === confuser ? 0.5 * quality * Math.min(1.6, difficulty) : 0;
        const noise = difficulty * (0.75 * shared[c]! + 0.65 * normal(random));
        logits[(i * exits + k) * classes + c] = (1.8 * (signal + 0.85 * noise)) / Math.sqrt(0.5 + 0.5 * difficulty);
      }
    }
  }
  return { logits, labels, count, exits, classes };
}
