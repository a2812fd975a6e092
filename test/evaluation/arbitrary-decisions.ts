import fc from "fast-check";
import type { Decisions } from "../../src/evaluation/figures.ts";
import { integer, normal, seededRandom } from "../../src/random.ts";

/** Random logits, labels, costs and decisions: 1 to 30 images, 1 to 5 exits, 2 to 4 classes. */
export const arbitraryDecisions: fc.Arbitrary<Decisions> = fc
  .record({
    count: fc.integer({ min: 1, max: 30 }),
    exitCount: fc.integer({ min: 1, max: 5 }),
    classCount: fc.integer({ min: 2, max: 4 }),
    seed: fc.integer(),
  })
  .map(({ count, exitCount, classCount, seed }) => {
    const random = seededRandom(seed);
    const steps = Array.from({ length: exitCount }, () => integer(random, 1, 1000));
    const exitMacs = steps.map((_, exit) => steps.slice(0, exit + 1).reduce((sum, macs) => sum + macs, 0));
    return {
      table: {
        logits: Float32Array.from({ length: count * exitCount * classCount }, () => 3 * normal(random)),
        labels: Uint16Array.from({ length: count }, () => integer(random, 0, classCount - 1)),
        count,
        exits: exitCount,
        classes: classCount,
      },
      exits: Uint8Array.from({ length: count }, () => integer(random, 0, exitCount - 1)),
      costs: { exitMacs, fullMacs: exitMacs.at(-1)! },
      classes: ["a", "b", "c", "d"].slice(0, classCount),
      rule: { temperatures: steps.map(() => 1.5), priorWeights: steps.map((_, exit) => (exit > 0 ? 0.4 : 0)) },
      seed,
    };
  });
