import { expect, test } from "vitest";
import { answersOf, plainRule } from "../../src/exits/answers.ts";
import { returnOf } from "../../src/exits/environment.ts";
import { type Episodes, featureAt, prepareEpisodes } from "../../src/exits/episodes.ts";
import { FEATURE } from "../../src/exits/observation.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import {
  SCORES,
  type Score,
  thresholdExits,
  tuneSharedThreshold,
  tuneThresholds,
} from "../../src/yardsticks/thresholds.ts";
import { COSTS, syntheticTable } from "../policy/synthetic.ts";

const runtime = createNodeRuntime({ threads: 1 });
const THREE = { exitMacs: COSTS.exitMacs.slice(0, 3), fullMacs: 1 };

function bruteForce(episodes: Episodes, score: Score, lambda: number): number {
  const cuts = [0, 1].map((exit) => [-10, 10, ...featureAt(episodes, exit, FEATURE[score])]);
  let best = Number.NEGATIVE_INFINITY;
  for (const first of cuts[0]!)
    for (const second of cuts[1]!) {
      const chosen = thresholdExits(episodes, { score, thresholds: [first, second] });
      best = Math.max(best, returnOf(chosen, episodes.correct, episodes.shares, lambda));
    }
  return best;
}

test.each(SCORES)("tuned thresholds on %s are the best of all, by brute force", async (score) => {
  for (const seed of [1, 2, 3]) {
    const episodes = await prepareEpisodes(
      runtime,
      answersOf(syntheticTable(40, seed, { exits: 3 }), plainRule(3)),
      THREE,
    );
    for (const lambda of [0.02, 0.2, 0.7]) {
      const chosen = thresholdExits(episodes, tuneThresholds(episodes, score, lambda));
      expect(returnOf(chosen, episodes.correct, episodes.shares, lambda)).toBeCloseTo(
        bruteForce(episodes, score, lambda),
        9,
      );
    }
  }
});

test.each(SCORES)(
  "one threshold on %s and a last exit are the best of all such pairs, by brute force",
  async (score) => {
    const beyond = score === "entropy" ? [99, -99] : [-99, 99];
    for (const seed of [1, 2, 3]) {
      const table = syntheticTable(40, seed, { exits: 3 });
      const episodes = await prepareEpisodes(runtime, answersOf(table, plainRule(3)), THREE);
      const values = [beyond[1]!, ...[0, 1].flatMap((exit) => [...featureAt(episodes, exit, FEATURE[score])])];
      for (const lambda of [0.02, 0.2, 0.7]) {
        const worth = (thresholds: number[]): number =>
          returnOf(thresholdExits(episodes, { score, thresholds }), episodes.correct, episodes.shares, lambda);
        const best = Math.max(
          ...values.flatMap((one) => [worth([one, one]), worth([one, beyond[0]!]), worth([beyond[0]!, one])]),
        );
        expect(worth([...tuneSharedThreshold(episodes, score, lambda).thresholds])).toBeCloseTo(best, 9);
      }
    }
  },
);

test("an image stops where its score reaches the threshold; low entropy is sure", async () => {
  const episodes = await prepareEpisodes(runtime, answersOf(syntheticTable(200, 5), plainRule(4)), COSTS);
  const confidence = [0, 1, 2].map((exit) => featureAt(episodes, exit, FEATURE.confidence));
  const entropy = [0, 1, 2].map((exit) => featureAt(episodes, exit, FEATURE.entropy));
  const byConfidence = thresholdExits(episodes, { score: "confidence", thresholds: [0.9, 0.8, 0.7] });
  const byEntropy = thresholdExits(episodes, { score: "entropy", thresholds: [0.2, 0.4, 0.6] });
  const first = (holds: (exit: number) => boolean) => [0, 1, 2].find(holds) ?? 3;
  for (let i = 0; i < 200; i++) {
    expect(byConfidence[i]).toBe(first((exit) => confidence[exit]![i]! >= [0.9, 0.8, 0.7][exit]!));
    expect(byEntropy[i]).toBe(first((exit) => entropy[exit]![i]! <= [0.2, 0.4, 0.6][exit]!));
  }
  expect(new Set(byConfidence).size).toBe(4);
});

test("a free network is always used to its end when that is best, a dear one never", async () => {
  const table = syntheticTable(400, 6);
  const episodes = await prepareEpisodes(runtime, answersOf(table, plainRule(4)), COSTS);
  const dear = thresholdExits(episodes, tuneThresholds(episodes, "margin", 50));
  expect(new Set(dear)).toEqual(new Set([0]));
  expect(tuneThresholds(episodes, "margin", 50).thresholds[0]).toBe(-1e9);
});
